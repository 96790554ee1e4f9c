#include "config/program_options.hpp"

#include <algorithm>

#include "config/units.hpp"

namespace castle::config {
namespace {

class Options {
public:
    Options(Section& section, std::string_view key, std::initializer_list<std::string_view> forbidden)
        : section_(section), key_(key), forbidden_(forbidden) {}

    std::vector<std::string> all;

    void add(std::string_view name, const boost::json::value* value) {
        while (name.starts_with('-')) name.remove_prefix(1);
        const std::string_view bare = name.substr(0, name.find('='));
        if (bare.empty()) return;
        if (std::ranges::find(forbidden_, bare) != forbidden_.end()) {
            section_.mistake(key_, "must not contain " + std::string(bare) + ", which is set by the agent");
            return;
        }
        if (value && value->is_structured()) {
            section_.mistake(key_, "has a value for " + std::string(bare) + " that is not a string");
            return;
        }
        if (value && value->is_bool() && !value->get_bool()) return;
        const bool alone = !value || value->is_null() || value->is_bool();
        all.push_back("--" + std::string(name) + (alone ? "" : "=" + text_of(*value)));
    }

private:
    Section& section_;
    std::string_view key_;
    std::initializer_list<std::string_view> forbidden_;
};

}  // namespace

std::vector<std::string> read_program_options(Section& section, std::string_view key,
                                              std::initializer_list<std::string_view> forbidden) {
    Options options(section, key, forbidden);
    const auto* const value = section.find(key);
    if (!value) return {};
    if (value->is_object()) {
        for (const auto& [name, setting] : value->get_object()) options.add(name, &setting);
    } else if (value->is_array()) {
        for (const auto& item : value->get_array()) {
            if (item.is_object())
                for (const auto& [name, setting] : item.get_object()) options.add(name, &setting);
            else if (item.is_string())
                options.add(item.get_string(), nullptr);
            else
                section.mistake(key, "is not a list of options");
        }
    } else {
        section.mistake(key, "is not a list of options");
    }
    return options.all;
}

std::vector<std::string> other_pairs_as_options(const boost::json::object& map,
                                                std::initializer_list<std::string_view> ours) {
    std::vector<std::string> options;
    for (const auto& [name, value] : map) {
        if (std::ranges::find(ours, std::string_view(name)) != ours.end() || value.is_structured()) continue;
        options.push_back("--" + std::string(name) + "=" + python_text_of(value));
    }
    return options;
}

}  // namespace castle::config
