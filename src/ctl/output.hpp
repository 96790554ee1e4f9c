// The formats of -f: a drawn table, lines with tabs, JSON, YAML. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/text_table.hpp"

namespace castle::ctl {

enum class Format { pretty, topology, tsv, json, yaml };
std::optional<Format> parse_format(std::string_view name);  // pretty, tsv, json, yaml, yml, topology

// Cells are JSON values: numbers stay numbers in JSON and YAML, and are text elsewhere.
struct Grid {
    std::string title;
    std::vector<std::string> columns;
    std::vector<Align> aligns;
    std::vector<std::vector<boost::json::value>> rows;
};

struct PrintOptions {
    Format format = Format::pretty;
    std::string delimiter = "\t";
    bool omit_empty = false;  // in JSON and YAML: leave out what is an empty text
};
std::string print(const Grid& grid, const PrintOptions& options);

// As Python's json.dumps writes it: one line, ", " and ": ", no escapes but the necessary ones.
std::string json_line(const boost::json::value& value);

}  // namespace castle::ctl
