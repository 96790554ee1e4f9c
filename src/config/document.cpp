#include "config/document.hpp"

#include <array>

#include "base/text.hpp"
#include "config/patch.hpp"

namespace castle::config {

std::string Place::text() const {
    return line > 0 ? source + ":" + std::to_string(line) : source;
}

std::string path_join(std::string_view path, std::string_view key) {
    std::string joined(path);
    if (!joined.empty()) joined += '.';
    joined += key;
    return joined;
}

std::string Mistake::text() const {
    std::string line = place.text();
    if (!line.empty()) line += ": ";
    if (!path.empty()) line += path + " " + value + " ";
    return line + reason;
}

Place Document::place_of(std::string_view path) const {
    for (;;) {
        if (const auto found = places.find(path); found != places.end()) return found->second;
        const auto dot = path.rfind('.');
        if (dot == path.npos) break;
        path = path.substr(0, dot);
    }
    if (const auto root = places.find(""); root != places.end()) return root->second;
    return {};
}

void merge(Document& base, const Document& over) {
    patch(base.data, over.data);
    for (const auto& [path, place] : over.places)
        if (!path.empty()) base.places.insert_or_assign(path, place);
    if (const auto root = over.places.find(""); root != over.places.end()) base.places.emplace("", root->second);
    base.mistakes.insert(base.mistakes.end(), over.mistakes.begin(), over.mistakes.end());
}

bool is_secret(std::string_view path) {
    const auto dot = path.rfind('.');
    const std::string key = lower(dot == path.npos ? path : path.substr(dot + 1));
    static constexpr std::array words{"password", "token", "auth_data", "primary_conninfo", "secret"};
    for (const std::string_view word : words)
        if (key.find(word) != key.npos) return true;
    return false;
}

}  // namespace castle::config
