#include "config/section.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "config/units.hpp"

namespace castle::config {
namespace {

const boost::json::object empty_map;

std::string shown(std::string_view path, const boost::json::value& value) {
    return is_secret(path) ? "(not shown)" : text_of(value);
}

std::size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

}  // namespace

Section::Section(Document& document, std::string path) : document_(&document), path_(std::move(path)) {
    const boost::json::object* at = &document.data;
    std::string reached;
    for (const std::string& key : split(path_, '.')) {
        const auto* const value = at->if_contains(key);
        if (!value || value->is_null()) return;
        reached = path_join(reached, key);
        if (!value->is_object()) {
            // The same section is read in several places; once is enough to say it.
            const auto same = [&](const Mistake& mistake) { return mistake.path == reached; };
            if (std::ranges::none_of(document.mistakes, same))
                document.mistakes.push_back(
                    {document.place_of(reached), reached, shown(reached, *value), "is not a dictionary"});
            return;
        }
        at = &value->get_object();
    }
    map_ = at;
}

const boost::json::object& Section::map() const {
    return map_ ? *map_ : empty_map;
}

const boost::json::value* Section::find(std::string_view key) {
    known_.emplace(key);
    const auto* const value = map().if_contains(key);
    return value && !value->is_null() ? value : nullptr;
}

Section Section::section(std::string_view key) {
    known_.emplace(key);
    return Section(*document_, path_join(path_, key));
}

void Section::mistake(std::string_view key, std::string reason, Severity severity) {
    const std::string path = path_join(path_, key);
    const auto* const value = map().if_contains(key);
    document_->mistakes.push_back(
        {document_->place_of(path), path, value ? shown(path, *value) : "", std::move(reason), severity});
}

bool Section::text(std::string_view key, std::string& value) {
    const auto* const found = find(key);
    if (!found) return false;
    if (found->is_structured()) {
        mistake(key, "is not a string");
        return false;
    }
    value = text_of(*found);
    return true;
}

bool Section::flag(std::string_view key, bool& value) {
    const auto* const found = find(key);
    if (!found) return false;
    const auto read = bool_of(*found);
    if (!read) {
        mistake(key, "is not a boolean");
        return false;
    }
    value = *read;
    return true;
}

bool Section::number(std::string_view key, std::int64_t& value, Bounds bounds) {
    const auto* const found = find(key);
    if (!found) return false;
    const auto read = int_of(*found, bounds.unit);
    if (!read) {
        mistake(key, "is not an integer" + (bounds.unit.empty() ? "" : " in units of " + std::string(bounds.unit)));
        return false;
    }
    if (*read < bounds.min || *read > bounds.max) {
        const bool open = bounds.max == std::numeric_limits<std::int64_t>::max();
        mistake(key, open ? "must be at least " + std::to_string(bounds.min)
                          : "must be from " + std::to_string(bounds.min) + " to " + std::to_string(bounds.max));
        return false;
    }
    value = *read;
    return true;
}

bool Section::duration(std::string_view key, std::chrono::milliseconds& value, Bounds bounds) {
    const std::int64_t scale = bounds.unit == "ms" ? 1 : 1000;
    std::int64_t count = 0;
    if (!number(key, count, bounds)) return false;
    constexpr std::int64_t longest = 100LL * 365 * 86400;  // in seconds; beyond it arithmetic on times may overflow
    if (count > longest * (1000 / scale) || count < -longest * (1000 / scale)) {
        mistake(key, "is longer than a hundred years");
        return false;
    }
    value = std::chrono::milliseconds(count * scale);
    return true;
}

bool Section::texts(std::string_view key, std::vector<std::string>& value) {
    const auto* const found = find(key);
    if (!found) return false;
    if (found->is_object()) {
        mistake(key, "is not a list");
        return false;
    }
    value.clear();
    if (!found->is_array()) {
        value.push_back(text_of(*found));
        return true;
    }
    for (const auto& item : found->get_array()) value.push_back(text_of(item));
    return true;
}

bool Section::choice(std::string_view key, std::string& value, std::initializer_list<std::string_view> words) {
    std::string read;
    if (!text(key, read)) return false;
    read = lower(read);
    if (std::ranges::find(words, read) == words.end()) {
        std::string list;
        for (const std::string_view word : words) list += (list.empty() ? "" : ", ") + std::string(word);
        mistake(key, "is not one of " + list);
        return false;
    }
    value = read;
    return true;
}

void Section::known(std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) known_.emplace(key);
}

void Section::reject_unknown_keys(Severity severity) {
    for (const auto& [key, value] : map()) {
        if (known_.contains(key)) continue;
        const std::string meant = nearest_word(key, known_);
        const std::string path = path_join(path_, key);
        document_->mistakes.push_back(
            {document_->place_of(path), path, "",
             "is not a known key" + (meant.empty() ? "" : "; did you mean \"" + meant + "\"?"), severity});
    }
}

std::string nearest_word(std::string_view word, const std::set<std::string, std::less<>>& words) {
    std::string best;
    std::size_t best_edits = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const std::string& candidate : words) {
        const std::size_t edits = edits_between(word, candidate);
        if (edits < best_edits && edits < candidate.size()) {
            best = candidate;
            best_edits = edits;
        }
    }
    return best;
}

}  // namespace castle::config
