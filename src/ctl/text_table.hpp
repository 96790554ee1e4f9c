// A table drawn with + - and |, as patronictl prints it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace castle::ctl {

enum class Align { left, right };

struct TextTable {
    std::string title;  // written over the top rule from column 1 on; empty: none
    std::vector<std::string> columns;
    std::vector<Align> aligns;                   // by column; missing ones are left
    std::vector<std::vector<std::string>> rows;  // a cell may have several lines
};

// With a line break at the end. A cell of several lines makes a rule stand between all rows.
std::string draw(const TextTable& table);

std::size_t display_width(std::string_view utf8);  // in characters

}  // namespace castle::ctl
