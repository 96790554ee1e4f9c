#include "ctl/output.hpp"

#include <boost/json/serialize.hpp>

#include "config/units.hpp"
#include "config/yaml_text.hpp"

namespace castle::ctl {
namespace {

std::string cell_text(const boost::json::value& cell) {
    if (cell.is_structured()) return config::yaml_flow_text(cell);
    return cell.is_null() ? "" : config::python_text_of(cell);
}

boost::json::array as_objects(const Grid& grid, bool omit_empty) {
    boost::json::array all;
    for (const auto& row : grid.rows) {
        boost::json::object object;
        for (std::size_t i = 0; i < grid.columns.size() && i < row.size(); ++i) {
            const bool empty = row[i].is_string() && row[i].get_string().empty();
            if (!omit_empty || !empty) object[grid.columns[i]] = row[i];
        }
        all.push_back(std::move(object));
    }
    return all;
}

std::string tsv(const Grid& grid, const std::string& delimiter) {
    std::string out;
    for (std::size_t i = 0; i < grid.columns.size(); ++i) out += (i ? delimiter : "") + grid.columns[i];
    out += "\n";
    for (const auto& row : grid.rows) {
        for (std::size_t i = 0; i < row.size(); ++i) out += (i ? delimiter : "") + cell_text(row[i]);
        out += "\n";
    }
    return out;
}

std::string drawn(const Grid& grid) {
    TextTable table{grid.title, grid.columns, grid.aligns, {}};
    for (const auto& row : grid.rows) {
        std::vector<std::string> cells;
        for (const auto& cell : row) cells.push_back(cell_text(cell));
        table.rows.push_back(std::move(cells));
    }
    return draw(table);
}

void write_json(const boost::json::value& value, std::string& out) {
    if (const auto* const object = value.if_object()) {
        out += "{";
        bool first = true;
        for (const auto& [key, item] : *object) {
            if (!first) out += ", ";
            first = false;
            out += boost::json::serialize(boost::json::string(key)) + ": ";
            write_json(item, out);
        }
        out += "}";
    } else if (const auto* const array = value.if_array()) {
        out += "[";
        for (const auto& item : *array) {
            if (&item != array->data()) out += ", ";
            write_json(item, out);
        }
        out += "]";
    } else if (value.is_double()) {
        out += config::real_text(value.get_double());
    } else {
        out += boost::json::serialize(value);
    }
}

}  // namespace

std::optional<Format> parse_format(std::string_view name) {
    if (name == "pretty") return Format::pretty;
    if (name == "topology") return Format::topology;
    if (name == "tsv") return Format::tsv;
    if (name == "json") return Format::json;
    if (name == "yaml" || name == "yml") return Format::yaml;
    return {};
}

std::string json_line(const boost::json::value& value) {
    std::string out;
    write_json(value, out);
    return out;
}

std::string print(const Grid& grid, const PrintOptions& options) {
    switch (options.format) {
        case Format::pretty:
        case Format::topology: return drawn(grid);
        case Format::tsv: return tsv(grid, options.delimiter);
        case Format::json: return json_line(as_objects(grid, options.omit_empty)) + "\n";
        case Format::yaml: return config::yaml_text(as_objects(grid, options.omit_empty)) + "\n";
    }
    return {};
}

}  // namespace castle::ctl
