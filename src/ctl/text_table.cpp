#include "ctl/text_table.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace castle::ctl {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const std::string& cell) {
    Lines lines = split(cell, '\n');
    if (lines.empty()) lines.emplace_back();
    return lines;
}

class Drawing {
public:
    explicit Drawing(const TextTable& table) : table_(table) {
        for (const std::string& column : table.columns) widths_.push_back(display_width(column));
        for (const auto& row : table.rows) {
            for (std::size_t i = 0; i < row.size() && i < widths_.size(); ++i) {
                const Lines lines = lines_of(row[i]);
                if (lines.size() > 1) rule_between_rows_ = true;
                for (const std::string& line : lines) widths_[i] = std::max(widths_[i], display_width(line));
            }
        }
    }

    std::string run() {
        std::string top = rule();
        if (!table_.title.empty() && top.size() > 2) {
            // A title longer than the table is cut.
            std::string title = table_.title;
            while (display_width(title) > top.size() - 2) title.pop_back();
            top.replace(1, display_width(title), title);
        }
        std::string out = top + "\n" + row(table_.columns) + rule() + "\n";
        for (const auto& cells : table_.rows) {
            out += row(cells);
            if (rule_between_rows_ || &cells == &table_.rows.back()) out += rule() + "\n";
        }
        if (table_.rows.empty()) out += rule() + "\n";
        return out;
    }

private:
    std::string rule() const {
        std::string line = "+";
        for (const std::size_t width : widths_) line += std::string(width + 2, '-') + "+";
        return line;
    }

    std::string row(const std::vector<std::string>& cells) const {
        std::vector<Lines> columns;
        std::size_t height = 1;
        for (std::size_t i = 0; i < widths_.size(); ++i) {
            columns.push_back(lines_of(i < cells.size() ? cells[i] : ""));
            height = std::max(height, columns.back().size());
        }
        std::string out;
        for (std::size_t at = 0; at < height; ++at) {
            out += "|";
            for (std::size_t i = 0; i < widths_.size(); ++i) {
                const std::string text = at < columns[i].size() ? columns[i][at] : "";
                const std::string padding(widths_[i] - display_width(text), ' ');
                const bool right = i < table_.aligns.size() && table_.aligns[i] == Align::right;
                out += " " + (right ? padding + text : text + padding) + " |";
            }
            out += "\n";
        }
        return out;
    }

    const TextTable& table_;
    std::vector<std::size_t> widths_;
    bool rule_between_rows_ = false;
};

}  // namespace

std::size_t display_width(std::string_view utf8) {
    return static_cast<std::size_t>(
        std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string draw(const TextTable& table) {
    return Drawing(table).run();
}

}  // namespace castle::ctl
