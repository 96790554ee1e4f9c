#include "fence/program/addresses.hpp"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace castle::fence {

Addresses::Addresses() : netlink_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}

bool Addresses::add(const Address& address) {
    const auto end = addresses_.begin() + static_cast<std::ptrdiff_t>(count_);
    if (std::find(addresses_.begin(), end, address) != end) return true;
    if (count_ == addresses_.size()) return false;
    addresses_[count_++] = address;
    return true;
}

void Addresses::remove(const Address& address) {
    const auto end = addresses_.begin() + static_cast<std::ptrdiff_t>(count_);
    count_ = static_cast<std::size_t>(std::remove(addresses_.begin(), end, address) - addresses_.begin());
}

void Addresses::drop() {
    const auto end = addresses_.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto kept = std::remove_if(addresses_.begin(), end, [this](const Address& each) { return drop_one(each); });
    count_ = static_cast<std::size_t>(kept - addresses_.begin());
}

bool Addresses::drop_one(const Address& address) {
    struct {
        nlmsghdr header;
        ifaddrmsg message;
        std::array<char, 64> attributes;
    } request{};
    const std::size_t size = address.family == AF_INET ? 4 : 16;
    auto* attribute = reinterpret_cast<rtattr*>(request.attributes.data());
    attribute->rta_type = IFA_LOCAL;
    attribute->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    std::memcpy(RTA_DATA(attribute), address.bytes.data(), size);
    request.message.ifa_family = address.family;
    request.message.ifa_prefixlen = address.prefix_length;
    request.message.ifa_index = address.interface_index;
    request.header.nlmsg_type = RTM_DELADDR;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof(ifaddrmsg)) + RTA_SPACE(size));
    if (::send(netlink_.get(), &request, request.header.nlmsg_len, MSG_DONTWAIT) < 0) return false;
    // The kernel works on the request within send(): its answer is there already.
    struct {
        nlmsghdr header;
        nlmsgerr error;
        std::array<char, 256> rest;
    } answer{};
    if (::recv(netlink_.get(), &answer, sizeof answer, MSG_DONTWAIT) <
        static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) {
        return false;
    }
    const int error = -answer.error.error;
    return error == 0 || error == EADDRNOTAVAIL || error == ENODEV;
}

}  // namespace castle::fence
