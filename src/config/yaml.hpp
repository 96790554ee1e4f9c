// YAML as PyYAML's safe loader reads it, because that is what every patroni.yml was written for: scalars are typed by
// YAML 1.1 (on and yes are booleans, 030 is octal), `<<` merges, anchors work, quoted text stays text. Every key knows
// its file and line.
//
// Blocking file access; called at start, at reload and by the command line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/document.hpp"

namespace castle::config {

// Text that is not YAML, or has an unknown tag, is an error naming file and line. A key that is given twice is a
// mistake in the document (the later one counts, as it always did). An empty document has no keys; a document that is
// not a map is an error.
Result<Document> parse_yaml(std::string_view text, const std::string& source);

// One value of any kind: for variables of the environment and `edit-config -s key=VALUE`. Duplicate keys are an error.
Result<boost::json::value> parse_yaml_value(std::string_view text);

// A file, or a directory of which all *.yml and *.yaml are merged in the order of their names.
Result<Document> load_yaml(const std::string& path);

// What a plain (unquoted) scalar means.
boost::json::value yaml_scalar(std::string_view text);

}  // namespace castle::config
