// difflib's way: the longest block of equal lines first, then the same on both of its sides.
#include "ctl/unified_diff.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "base/text.hpp"

namespace castle::ctl {
namespace {

using Lines = std::vector<std::string>;

struct Block {
    std::size_t a = 0, b = 0, size = 0;
};

struct Span {
    std::size_t a_begin, a_end, b_begin, b_end;
};

class Matcher {
public:
    Matcher(const Lines& a, const Lines& b) : a_(a), b_(b) {
        for (std::size_t j = 0; j < b.size(); ++j) places_[b[j]].push_back(j);
    }

    std::vector<Block> blocks() {
        std::vector<Block> found;
        std::vector<Span> open{{0, a_.size(), 0, b_.size()}};
        while (!open.empty()) {
            const Span span = open.back();
            open.pop_back();
            const Block block = longest(span);
            if (block.size == 0) continue;
            found.push_back(block);
            open.push_back({span.a_begin, block.a, span.b_begin, block.b});
            open.push_back({block.a + block.size, span.a_end, block.b + block.size, span.b_end});
        }
        std::ranges::sort(found, {}, &Block::a);
        found.push_back({a_.size(), b_.size(), 0});
        return found;
    }

private:
    // Of equally long ones the first in a, then the first in b.
    Block longest(const Span& span) const {
        Block best{span.a_begin, span.b_begin, 0};
        std::map<std::size_t, std::size_t> lengths;  // of the block that ends at this line of b
        for (std::size_t i = span.a_begin; i < span.a_end; ++i) {
            std::map<std::size_t, std::size_t> next;
            const auto places = places_.find(a_[i]);
            if (places != places_.end()) {
                for (const std::size_t j : places->second) {
                    if (j < span.b_begin || j >= span.b_end) continue;
                    const auto before = j == 0 ? lengths.end() : lengths.find(j - 1);
                    const std::size_t size = (before == lengths.end() ? 0 : before->second) + 1;
                    next[j] = size;
                    if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
                }
            }
            lengths = std::move(next);
        }
        return best;
    }

    const Lines& a_;
    const Lines& b_;
    std::map<std::string, std::vector<std::size_t>> places_;
};

struct Change {
    bool equal;
    Span span;
};

std::vector<Change> changes_between(const Lines& a, const Lines& b) {
    std::vector<Change> changes;
    std::size_t i = 0, j = 0;
    for (const Block& block : Matcher(a, b).blocks()) {
        if (i < block.a || j < block.b) changes.push_back({false, {i, block.a, j, block.b}});
        if (block.size) {
            // Blocks that touch are one.
            if (!changes.empty() && changes.back().equal) {
                changes.back().span.a_end += block.size;
                changes.back().span.b_end += block.size;
            } else {
                changes.push_back({true, {block.a, block.a + block.size, block.b, block.b + block.size}});
            }
        }
        i = block.a + block.size;
        j = block.b + block.size;
    }
    return changes;
}

std::string range(std::size_t begin, std::size_t end) {
    const std::size_t length = end - begin;
    if (length == 1) return std::to_string(begin + 1);
    return std::to_string(length ? begin + 1 : begin) + "," + std::to_string(length);
}

std::string hunk(const std::vector<Change>& changes, const Lines& a, const Lines& b) {
    const Span first = changes.front().span, last = changes.back().span;
    std::string out = "@@ -" + range(first.a_begin, last.a_end) + " +" + range(first.b_begin, last.b_end) + " @@\n";
    for (const Change& change : changes) {
        for (std::size_t i = change.span.a_begin; i < change.span.a_end; ++i)
            out += (change.equal ? " " : "-") + a[i] + "\n";
        if (change.equal) continue;
        for (std::size_t j = change.span.b_begin; j < change.span.b_end; ++j) out += "+" + b[j] + "\n";
    }
    return out;
}

Lines lines_of(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    Lines lines = split(text, '\n');
    if (lines.empty()) lines.emplace_back();
    return lines;
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after) {
    constexpr std::size_t context = 3;
    const Lines a = lines_of(before), b = lines_of(after);
    std::vector<Change> all = changes_between(a, b);
    if (std::ranges::all_of(all, &Change::equal)) return "";

    const auto keep_last = [](Span& s, std::size_t n) {
        s.a_begin = std::max(s.a_begin, s.a_end > n ? s.a_end - n : 0);
        s.b_begin = std::max(s.b_begin, s.b_end > n ? s.b_end - n : 0);
    };
    const auto keep_first = [](Span& s, std::size_t n) {
        s.a_end = std::min(s.a_end, s.a_begin + n);
        s.b_end = std::min(s.b_end, s.b_begin + n);
    };
    if (all.front().equal) keep_last(all.front().span, context);
    if (all.back().equal) keep_first(all.back().span, context);

    std::string out = "--- \n+++ \n";
    std::vector<Change> group;
    for (const Change& change : all) {
        if (change.equal &&
            change.span.a_end - change.span.a_begin > 2 * context) {  // ends one hunk and begins the next
            Change head = change, tail = change;
            keep_first(head.span, context);
            keep_last(tail.span, context);
            group.push_back(head);
            out += hunk(group, a, b);
            group = {tail};
            continue;
        }
        group.push_back(change);
    }
    if (!(group.size() == 1 && group[0].equal)) out += hunk(group, a, b);
    return out;
}

}  // namespace castle::ctl
