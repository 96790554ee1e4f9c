// Bytes that PostgreSQL, its programs or an operator left on the disk, against what reads them: the first byte chooses
// the reader.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "postgres/conninfo.hpp"
#include "postgres/versions.hpp"
#include "postgres/wal_record.hpp"
#include "wire/control_data.hpp"

namespace {

using namespace castle;

// Without a right checksum nothing behind it would ever be reached.
void read_control(std::string_view bytes) {
    std::string file(bytes);
    (void)wire::read_control_data(file);
    for (const std::size_t crc_at : {288, 292}) {
        if (file.size() < crc_at + 4) continue;
        const std::uint32_t crc = wire::crc32c(std::string_view(file).substr(0, crc_at));
        file.replace(crc_at, 4, reinterpret_cast<const char*>(&crc), 4);
        (void)wire::read_control_data(file);
    }
}

void read_conninfo(std::string_view bytes) {
    const auto params = postgres::parse_conninfo(bytes);
    if (params) (void)postgres::conninfo_text(*params);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0: read_control(bytes); break;
        case 1: read_conninfo(bytes); break;
        case 2:
            (void)postgres::parse_waldump_line(bytes);
            (void)postgres::parse_waldump_stats_line(bytes);
            break;
        case 3: (void)postgres::parse_version(bytes); break;
        case 4: (void)postgres::parse_pg_version_file(bytes); break;
    }
    return 0;
}
