#include "config/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "config/patch.hpp"
#include "config/units.hpp"

namespace castle::config {
namespace {

// Bounds against a document that expands without end (aliases of aliases).
constexpr int depth_max = 64;
constexpr int nodes_max = 200'000;

class Reader {
public:
    explicit Reader(const std::string& source) : source_(source) {}

    Document document;

    Result<boost::json::value> read(const YAML::Node& node, const std::string& path, int depth = 0) {
        if (depth > depth_max || ++nodes_ > nodes_max) return error(node, "is nested too deeply or too large");
        switch (node.Type()) {
            case YAML::NodeType::Undefined:
            case YAML::NodeType::Null: return boost::json::value(nullptr);
            case YAML::NodeType::Scalar: return scalar(node);
            case YAML::NodeType::Sequence: return sequence(node, path, depth);
            case YAML::NodeType::Map: {
                CASTLE_TRY(boost::json::object map, read_map(node, path, depth));
                return boost::json::value(std::move(map));
            }
        }
        return boost::json::value(nullptr);
    }

    Error error(const YAML::Node& node, const std::string& reason) const {
        return {Errc::invalid, place(node).text() + ": " + reason};
    }

private:
    Place place(const YAML::Node& node) const { return {source_, node.Mark().line + 1}; }

    Result<boost::json::value> scalar(const YAML::Node& node) const {
        const std::string& tag = node.Tag();
        const std::string& text = node.Scalar();
        if (tag.empty() || tag == "?") return yaml_scalar(text);
        constexpr std::string_view standard = "tag:yaml.org,2002:";
        if (tag == "!" || tag == "!!str" || tag == std::string(standard) + "str") return boost::json::value(text);
        if (tag.starts_with(standard)) {
            const std::string kind = tag.substr(standard.size());
            boost::json::value value = yaml_scalar(text);
            const bool fits = (kind == "int" && (value.is_int64() || value.is_uint64())) ||
                              (kind == "null" && value.is_null()) || (kind == "bool" && value.is_bool()) ||
                              (kind == "float" && value.is_number());
            if (fits) return value;
            return error(node, "\"" + text + "\" is not of the type that its tag says");
        }
        return error(node, "unknown tag \"" + tag + "\"");
    }

    Result<boost::json::value> sequence(const YAML::Node& node, const std::string& path, int depth) {
        boost::json::array items;
        for (const auto& item : node) {
            const std::string item_path = path_join(path, std::to_string(items.size()));
            document.places.insert_or_assign(item_path, place(item));
            CASTLE_TRY(boost::json::value value, read(item, item_path, depth + 1));
            items.push_back(std::move(value));
        }
        return boost::json::value(std::move(items));
    }

    Result<boost::json::object> read_map(const YAML::Node& node, const std::string& path, int depth) {
        boost::json::object map;
        // What `<<` brings comes first and gives way to the map's own keys, wherever it stands.
        for (const auto& pair : node) {
            if (!is_merge(pair.first)) continue;
            CASTLE_CHECK(read_merge(map, pair.second, path, depth));
        }
        std::map<std::string, int> own;
        for (const auto& pair : node) {
            const YAML::Node& key = pair.first;
            if (is_merge(key)) continue;
            if (!key.IsScalar() && !key.IsNull()) return error(key, "a key must be a plain word");
            const std::string name = key.IsNull() ? "null" : key.Scalar();
            const std::string key_path = path_join(path, name);
            const Place here = place(key);
            if (const auto [first, added] = own.emplace(name, here.line); !added)
                document.mistakes.push_back(
                    {here, key_path, "", "is given twice, first in line " + std::to_string(first->second)});
            document.places.insert_or_assign(key_path, here);
            CASTLE_TRY(boost::json::value read_value, read(pair.second, key_path, depth + 1));
            map.insert_or_assign(name, std::move(read_value));
        }
        return map;
    }

    static bool is_merge(const YAML::Node& key) { return key.IsScalar() && key.Scalar() == "<<" && key.Tag() != "!"; }

    Status read_merge(boost::json::object& map, const YAML::Node& value, const std::string& path, int depth) {
        if (value.IsMap()) return take_merged(map, value, path, depth);
        if (!value.IsSequence()) return error(value, "\"<<\" needs a map, or a list of maps");
        for (const auto& item : value) {
            if (!item.IsMap()) return error(item, "\"<<\" needs a map, or a list of maps");
            CASTLE_CHECK(take_merged(map, item, path, depth));
        }
        return Done{};
    }

    Status take_merged(boost::json::object& map, const YAML::Node& value, const std::string& path, int depth) {
        if (depth > depth_max) return error(value, "is nested too deeply or too large");
        CASTLE_TRY(const boost::json::object merged, read_map(value, path, depth + 1));
        for (const auto& [name, item] : merged) map.emplace(name, item);  // the first of several wins
        return Done{};
    }

    std::string source_;
    int nodes_ = 0;
};

// Takes a document and keeps nothing of it.
class Ignore final : public YAML::EventHandler {
public:
    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnMapEnd() override {}
};

// YAML::LoadAll would tell as well, but goes on for ever after some broken texts ("a: 1\n]").
bool has_more_than_one_document(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Ignore ignore;
    return parser.HandleNextDocument(ignore) && parser.HandleNextDocument(ignore);
}

// yaml-cpp throws; nothing of it leaves this function.
Result<YAML::Node> parse(std::string_view text, const std::string& source) {
    try {
        const std::string copy(text);
        if (has_more_than_one_document(copy))
            return Error{Errc::invalid,
                         source + ": goes on after the end of its YAML document; exactly one is expected"};
        return YAML::Load(copy);
    } catch (const YAML::Exception& failure) {
        const Place place{source, failure.mark.line + 1};
        return Error{Errc::invalid, (failure.mark.is_null() ? source : place.text()) + ": is not YAML: " + failure.msg};
    }
}

Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (file) content << file.rdbuf();
    if (!file || file.bad()) {
        const std::error_code why(errno, std::generic_category());
        return Error{Errc::not_found, "cannot read " + path + ": " + why.message()};
    }
    return content.str();
}

}  // namespace

Result<Document> parse_yaml(std::string_view text, const std::string& source) {
    CASTLE_TRY(const YAML::Node root, parse(text, source));
    Reader reader(source);
    try {
        CASTLE_TRY(boost::json::value value, reader.read(root, ""));
        if (value.is_null()) value.emplace_object();
        if (!value.is_object()) return reader.error(root, "must be a map of keys and values");
        reader.document.data = std::move(value.get_object());
    } catch (const YAML::Exception& failure) {
        return Error{Errc::invalid, source + ": " + failure.msg};
    }
    reader.document.places.emplace("", Place{source, 0});
    return std::move(reader.document);
}

Result<boost::json::value> parse_yaml_value(std::string_view text) {
    CASTLE_TRY(const YAML::Node root, parse(text, "the value"));
    Reader reader("the value");
    try {
        CASTLE_TRY(boost::json::value value, reader.read(root, ""));
        if (!reader.document.mistakes.empty()) return Error{Errc::invalid, reader.document.mistakes[0].text()};
        return value;
    } catch (const YAML::Exception& failure) {
        return Error{Errc::invalid, failure.msg};
    }
}

Result<Document> load_yaml(const std::string& path) {
    std::error_code failed;
    std::vector<std::string> files{path};
    if (std::filesystem::is_directory(path, failed)) {
        files.clear();
        for (std::filesystem::directory_iterator entry(path, failed), end; !failed && entry != end;
             entry.increment(failed)) {
            const std::string extension = entry->path().extension();
            if ((extension == ".yml" || extension == ".yaml") && entry->is_regular_file(failed))
                files.push_back(entry->path());
        }
        if (failed) return Error{Errc::failed, "cannot read " + path + ": " + failed.message()};
        std::ranges::sort(files);
        if (files.empty()) return Error{Errc::not_found, path + " holds no *.yml or *.yaml file"};
    }
    Document merged;
    for (const std::string& file : files) {
        CASTLE_TRY(const std::string text, read_file(file));
        CASTLE_TRY(const Document document, parse_yaml(text, file));
        merge(merged, document);
    }
    return merged;
}

}  // namespace castle::config
