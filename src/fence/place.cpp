#include "fence/place.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace castle::fence {
namespace {

std::uint64_t fnv1a(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

std::string file_name(std::string_view member, std::string_view suffix) {
    std::string name{member.substr(0, 40)};
    const auto harmless = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    std::ranges::replace_if(
        name, [&](char c) { return !harmless(c); }, '_');
    std::array<char, 17> hash{};
    std::to_chars(hash.data(), hash.data() + 16, fnv1a(member), 16);
    return name + "." + hash.data() + std::string(suffix);
}

}  // namespace

std::string default_runtime_directory(uid_t uid) {
    return uid == 0 ? "/run/pgcastle" : "/tmp/pgcastle-" + std::to_string(uid);
}

std::string socket_name(std::string_view member) {
    return file_name(member, ".fence");
}
std::string record_name(std::string_view member) {
    return file_name(member, ".fence.pid");
}

}  // namespace castle::fence
