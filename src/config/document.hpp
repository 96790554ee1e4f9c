// The configuration as data, with the place of every key, and what is wrong with it.
//
// Data is JSON's model (boost::json::value, keys in the order written), because the same merging and reading serves
// the file, the environment and the store's `config` key. Places are kept beside it, by path.
#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace castle::config {

// Where something is written: "patroni.yml:31". Line 0: the whole source has no lines (a variable, the store).
struct Place {
    std::string source;
    int line = 0;
    std::string text() const;
};

// A path of keys: "postgresql.parameters.max_connections"; items of lists by number.
// Keys may contain dots, so `place_of` finds the longest prefix that is known.
std::string path_join(std::string_view path, std::string_view key);

// How bad a mistake is when the agent starts. `--validate-config` refuses all of them.
enum class Severity { warning, fatal };

struct Mistake {
    Place place;
    std::string path;    // empty: the reason says it all
    std::string value;   // as written, or empty. Never a secret
    std::string reason;  // begins with a verb: "is not a valid port"
    Severity severity = Severity::warning;

    // "patroni.yml:31: restapi.listen :70000 is not a valid port": after the place, the words of `patroni
    // --validate-config`, which scripts look for.
    std::string text() const;
};

struct Document {
    boost::json::object data;
    std::map<std::string, Place, std::less<>> places;
    std::vector<Mistake> mistakes;

    // The place of the path or of the nearest one above it that is known.
    Place place_of(std::string_view path) const;
};

// Lays `over` on `base` by the PATCH rule (patch.hpp), places and mistakes included.
void merge(Document& base, const Document& over);

// Passwords and tokens are never shown.
bool is_secret(std::string_view path);

}  // namespace castle::config
