// The merge rule of PATCH /config, of a directory of configuration files and of the environment over the file:
// objects merge key by key, null deletes, everything else replaces. Scalars are compared by their text, so that
// "1" over 1 is no change. Pure.
#pragma once

#include <boost/json/value.hpp>

namespace castle::config {

// Returns whether anything changed. A new object is taken as it is, nulls included: `slots: {name: null}` means a slot.
bool patch(boost::json::object& target, const boost::json::object& changes);

// Equal when the keys are the same and scalars have the same text: the contract's equality of stored JSON.
bool same_by_text(const boost::json::value& a, const boost::json::value& b);

}  // namespace castle::config
