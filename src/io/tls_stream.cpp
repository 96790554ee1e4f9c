#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <optional>

#include "io/socket.hpp"
#include "io/tls_impl.hpp"

namespace castle::io {
namespace {

// As in socket.cpp: others have their turn even if a peer sends without pause.
constexpr int unbroken_max = 32;

bool is_address(const std::string& host) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

std::string name_text(X509_NAME* name) {
    std::string text;
    BIO* memory = BIO_new(BIO_s_mem());
    if (!memory) return text;
    X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253);
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    if (size > 0) text.assign(data, static_cast<std::size_t>(size));
    BIO_free(memory);
    return text;
}

class TlsStream final : public Stream {
public:
    TlsStream(Loop& loop, std::unique_ptr<Socket> socket, std::shared_ptr<const TlsContext> context)
        : loop_(loop), socket_(std::move(socket)), context_(std::move(context)) {}
    ~TlsStream() override { close(); }

    Status prepare(const std::string& host, bool as_client);
    Task<Status> handshake(BootTime deadline, CancelToken cancel);

    Task<Result<std::size_t>> read_some(std::span<char> buffer, BootTime deadline, CancelToken cancel) override;
    Task<Status> write_all(std::string_view bytes, BootTime deadline, CancelToken cancel) override;
    void close() override;
    const PeerAddress& peer() const override { return socket_->peer(); }
    const PeerCertificate* certificate() const override { return certificate_ ? &*certificate_ : nullptr; }
    bool secure() const override { return true; }
    int fd() const override { return socket_->fd(); }

private:
    enum class Step { want_read, want_write, ended, failed };
    Step step_after(int result);  // what a call that did not succeed asks for
    ReadyWait ready_for(Step step, BootTime deadline, CancelToken cancel) {
        return socket_->ready(step == Step::want_write ? Want::write : Want::read, deadline, std::move(cancel));
    }
    Error failure() const { return {Errc::unavailable, failure_}; }
    void read_certificate();

    Loop& loop_;
    std::unique_ptr<Socket> socket_;
    std::shared_ptr<const TlsContext> context_;
    std::unique_ptr<SSL, SslFree> ssl_;
    std::optional<PeerCertificate> certificate_;
    std::string failure_;
    bool usable_ = false;  // a goodbye can be said
    int unbroken_ = 0;
};

Status TlsStream::prepare(const std::string& host, bool as_client) {
    const TlsContext::Impl& impl = context_->impl();
    ssl_.reset(SSL_new(impl.context.get()));
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket_->fd()) != 1) return Error{Errc::failed, "OpenSSL: " + openssl_errors()};
    if (!as_client) {
        SSL_set_accept_state(ssl_.get());
        return Done{};
    }
    SSL_set_connect_state(ssl_.get());
    const bool address = is_address(host);
    if (!address && !host.empty()) SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    if (impl.options.verify == TlsOptions::Verify::none || !impl.options.check_host || host.empty()) return Done{};
    X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl_.get());
    const int done = address ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str())
                             : X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size());
    if (done != 1) return Error{Errc::invalid, "\"" + host + "\" cannot be checked against a certificate"};
    return Done{};
}

TlsStream::Step TlsStream::step_after(int result) {
    const int system_error = errno;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ: return Step::want_read;
        case SSL_ERROR_WANT_WRITE: return Step::want_write;
        case SSL_ERROR_ZERO_RETURN: return Step::ended;
        case SSL_ERROR_SYSCALL:
            failure_ = system_error ? errno_text(system_error) : "the peer closed the connection";
            break;
        default: failure_ = openssl_errors();
    }
    usable_ = false;
    ERR_clear_error();
    return Step::failed;
}

Task<Status> TlsStream::handshake(BootTime deadline, CancelToken cancel) {
    for (;;) {
        ERR_clear_error();
        errno = 0;
        const int result = SSL_do_handshake(ssl_.get());
        if (result == 1) break;
        const Step step = step_after(result);
        if (step == Step::failed || step == Step::ended) {
            const long verdict = SSL_get_verify_result(ssl_.get());
            if (verdict != X509_V_OK)
                co_return Error{Errc::denied, std::string("the certificate of the other side was refused: ") +
                                                  X509_verify_cert_error_string(verdict)};
            co_return Error{Errc::unavailable, step == Step::ended ? "the peer closed the connection" : failure_};
        }
        CASTLE_CO_CHECK(co_await ready_for(step, deadline, cancel));
    }
    usable_ = true;
    read_certificate();
    co_return Done{};
}

void TlsStream::read_certificate() {
    const std::unique_ptr<X509, SslFree> shown(SSL_get1_peer_certificate(ssl_.get()));
    if (!shown) return;
    PeerCertificate certificate;
    const bool asked = SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE;
    certificate.verified = asked && SSL_get_verify_result(ssl_.get()) == X509_V_OK;
    X509_NAME* subject = X509_get_subject_name(shown.get());
    certificate.subject = name_text(subject);
    char name[256] = "";
    if (X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof name) > 0) certificate.common_name = name;
    certificate_ = std::move(certificate);
}

Task<Result<std::size_t>> TlsStream::read_some(std::span<char> buffer, BootTime deadline, CancelToken cancel) {
    if (++unbroken_ > unbroken_max) {
        unbroken_ = 0;
        co_await yield(loop_);
    }
    for (;;) {
        if (!ssl_) co_return Error{Errc::cancelled, "the connection is closed"};
        ERR_clear_error();
        errno = 0;
        const int size = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
        if (size > 0) co_return static_cast<std::size_t>(size);
        const Step step = step_after(size);
        if (step == Step::ended) co_return std::size_t{0};
        if (step == Step::failed) co_return failure();
        CASTLE_CO_CHECK(co_await ready_for(step, deadline, cancel));
        unbroken_ = 0;
    }
}

Task<Status> TlsStream::write_all(std::string_view bytes, BootTime deadline, CancelToken cancel) {
    constexpr std::size_t piece_max = 1 << 20;
    while (!bytes.empty()) {
        if (!ssl_) co_return Error{Errc::cancelled, "the connection is closed"};
        ERR_clear_error();
        errno = 0;
        const int size = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), piece_max)));
        if (size > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(size));
            continue;
        }
        const Step step = step_after(size);
        if (step == Step::failed || step == Step::ended) co_return failure();
        CASTLE_CO_CHECK(co_await ready_for(step, deadline, cancel));
    }
    co_return Done{};
}

void TlsStream::close() {
    if (ssl_ && usable_ && socket_->fd() >= 0) SSL_shutdown(ssl_.get());
    ERR_clear_error();
    usable_ = false;
    ssl_.reset();
    socket_->close();
}

Task<Result<StreamPtr>> secure(Loop& loop, StreamPtr stream, std::shared_ptr<const TlsContext> tls, std::string host,
                               bool as_client, BootTime deadline, CancelToken cancel) {
    auto* socket = dynamic_cast<Socket*>(stream.get());
    CASTLE_ASSERT(socket);  // TLS goes over plain sockets only
    stream.release();
    const std::string doing = (as_client ? "TLS to " + host : "TLS from " + socket->peer().host);
    auto secured = std::make_unique<TlsStream>(loop, std::unique_ptr<Socket>(socket), std::move(tls));
    auto ready = secured->prepare(host, as_client);
    if (ready) ready = co_await secured->handshake(deadline, std::move(cancel));
    if (!ready) co_return std::move(ready).error().in(doing);
    co_return StreamPtr(std::move(secured));
}

}  // namespace

Task<Result<StreamPtr>> secure_as_client(Loop& loop, StreamPtr stream, std::shared_ptr<const TlsContext> tls,
                                         std::string host, BootTime deadline, CancelToken cancel) {
    return secure(loop, std::move(stream), std::move(tls), std::move(host), true, deadline, std::move(cancel));
}
Task<Result<StreamPtr>> secure_as_server(Loop& loop, StreamPtr stream, std::shared_ptr<const TlsContext> tls,
                                         BootTime deadline, CancelToken cancel) {
    return secure(loop, std::move(stream), std::move(tls), "", false, deadline, std::move(cancel));
}

}  // namespace castle::io
