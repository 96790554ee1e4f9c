#include "config/patch.hpp"

#include "config/units.hpp"

namespace castle::config {

bool same_by_text(const boost::json::value& a, const boost::json::value& b) {
    if (a.is_object() && b.is_object()) {
        const auto& left = a.get_object();
        const auto& right = b.get_object();
        if (left.size() != right.size()) return false;
        for (const auto& [key, value] : left) {
            const auto* other = right.if_contains(key);
            if (!other || !same_by_text(value, *other)) return false;
        }
        return true;
    }
    if (a.is_array() && b.is_array()) {
        const auto& left = a.get_array();
        const auto& right = b.get_array();
        if (left.size() != right.size()) return false;
        for (std::size_t i = 0; i < left.size(); ++i)
            if (!same_by_text(left[i], right[i])) return false;
        return true;
    }
    if (a.is_structured() || b.is_structured()) return false;
    return python_text_of(a) == python_text_of(b);
}

bool patch(boost::json::object& target, const boost::json::object& changes) {
    bool changed = false;
    for (const auto& [key, value] : changes) {
        auto* const present = target.if_contains(key);
        if (value.is_null()) {
            if (!present) continue;
            changed |= !present->is_null();
            target.stable_erase(target.find(key));
        } else if (!present) {
            target.emplace(key, value);
            changed = true;
        } else if (present->is_object() && value.is_object()) {
            changed |= patch(present->get_object(), value.get_object());
        } else if (!same_by_text(*present, value)) {
            *present = value;
            changed = true;
        }
    }
    return changed;
}

}  // namespace castle::config
