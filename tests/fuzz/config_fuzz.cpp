// What people write against what reads it: the first byte chooses the reader. What we write ourselves must read back as
// what it was.
#include <boost/json/serialize.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/address.hpp"
#include "config/dynamic.hpp"
#include "config/local.hpp"
#include "config/units.hpp"
#include "config/yaml.hpp"
#include "config/yaml_text.hpp"

namespace {

using namespace castle;

void read_back(const boost::json::value& value) {
    const auto again = config::parse_yaml_value(config::yaml_text(value));
    if (!again) std::abort();
}

void read_configuration(std::string_view text) {
    auto document = config::parse_yaml(text, "fuzz.yml");
    if (!document) return;
    const config::Local local = config::read_local(std::move(*document));
    (void)config::check_startable(local);
    (void)config::effective_postgresql(local.document, local.bootstrap.dcs);
}

void read_place(std::string_view text) {
    (void)config::parse_address(text, 5432);
    (void)config::parse_url(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 4096) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 4) {
        case 0: read_configuration(text); break;
        case 1:
            if (const auto dynamic = config::parse_dynamic(text)) {
                (void)config::read_settings(*dynamic);
                (void)config::effective_postgresql({}, *dynamic);
                read_back(*dynamic);
            }
            break;
        case 2:
            (void)config::parse_int(text, "8kB");
            (void)config::parse_real(text, "ms");
            (void)config::yaml_scalar(text);
            break;
        default: read_place(text);
    }
    return 0;
}
