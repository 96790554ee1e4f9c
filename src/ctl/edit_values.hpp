// `edit-config -s KEY=VALUE`. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "base/result.hpp"

namespace castle::ctl {

// "a.b.c=YAML": null deletes, and with it parents that become empty. Under postgresql.parameters the rest of the path
// is one name.
Status set_value(boost::json::object& configuration, const std::string& pair);

}  // namespace castle::ctl
