// Foreign bytes against what reads them in the etcd adapter: the first byte chooses the reader.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dcs/etcd/grpc_session.hpp"
#include "wire/dns_srv.hpp"
#include "wire/grpc_frame.hpp"

namespace {

using namespace castle;

void read_frames(std::string_view bytes) {
    wire::GrpcReader reader(1 << 16);
    const std::size_t half = bytes.size() / 2;
    for (const auto part : {bytes.substr(0, half), bytes.substr(half)}) {
        reader.feed(part);
        for (auto message = reader.next(); message && *message; message = reader.next()) {
        }
    }
}

void read_http2(std::string_view bytes) {
    dcs::GrpcSession session("host:1", false);
    const auto one = session.open("/a.B/C", {});
    const auto two = session.open("/a.B/D", {});
    session.send(one, "hello", true);
    session.send(two, "hello", false);
    (void)session.take_output();
    const auto status = session.receive(bytes);
    session.cancel(two);
    if (!status) session.fail("garbage");
    (void)session.take_output();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
        case 0:
            read_frames(bytes);
            break;
        case 1:
            read_http2(bytes);
            break;
        default:
            (void)castle::wire::read_srv_answer(bytes);
            (void)castle::wire::percent_decode(bytes);
    }
    return 0;
}
