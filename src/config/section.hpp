// Reads one map of the configuration into typed values. Whatever is wrong is noted as a mistake with its place, the
// value keeps its default, and reading goes on, so that all mistakes are reported at once.
//
//   Section section(report, "watchdog");
//   section.text("device", watchdog.device);
//   section.number("safety_margin", watchdog.safety_margin, {.min = -1, .unit = "s"});
//
// A Section borrows the report and the data in it.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"

namespace castle::config {

struct Bounds {
    std::int64_t min = std::numeric_limits<std::int64_t>::min();
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::string_view unit = {};  // in which a number without a unit counts
};

class Section {
public:
    // The map at `path` of the document (dots separate keys); an absent one has no keys. One that is not a map is a
    // mistake and counts as absent.
    Section(Document& document, std::string path);

    bool present() const { return map_ != nullptr; }
    const std::string& path() const { return path_; }
    const boost::json::object& map() const;
    // The value of a key, or nothing if absent or null. Marks the key as known.
    const boost::json::value* find(std::string_view key);
    Section section(std::string_view key);

    // Each changes `value` only if the key is there and its value is good. Returns whether it did.
    bool text(std::string_view key, std::string& value);
    bool flag(std::string_view key, bool& value);
    bool number(std::string_view key, std::int64_t& value, Bounds bounds = {});
    bool duration(std::string_view key, std::chrono::milliseconds& value, Bounds bounds);  // unit "s" or "ms"
    bool texts(std::string_view key, std::vector<std::string>& value);                     // a list, or one text
    bool choice(std::string_view key, std::string& value, std::initializer_list<std::string_view> words);

    void mistake(std::string_view key, std::string reason, Severity severity = Severity::warning);
    void known(std::initializer_list<std::string_view> keys);
    // For sections of our own: says which known key was probably meant.
    void reject_unknown_keys(Severity severity);

private:
    Document* document_;
    std::string path_;
    const boost::json::object* map_ = nullptr;
    std::set<std::string, std::less<>> known_;
};

// The word that `word` most likely was meant to be, or "".
std::string nearest_word(std::string_view word, const std::set<std::string, std::less<>>& words);

}  // namespace castle::config
