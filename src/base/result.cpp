#include "base/result.hpp"

namespace castle {

std::string_view name_of(Errc code) {
    switch (code) {
        case Errc::not_found: return "not found";
        case Errc::conflict: return "conflict";
        case Errc::unavailable: return "unavailable";
        case Errc::timed_out: return "timed out";
        case Errc::cancelled: return "cancelled";
        case Errc::invalid: return "invalid";
        case Errc::denied: return "denied";
        case Errc::failed: return "failed";
    }
    return "failed";
}

Error Error::in(std::string_view doing) && {
    message.insert(0, ": ");
    message.insert(0, doing);
    return std::move(*this);
}

}  // namespace castle
