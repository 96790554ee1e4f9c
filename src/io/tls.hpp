// What TLS connections are made with. Immutable: to take up changed files, make a new context and hand it to those who
// use the old one; connections keep the one they began with. Making one reads files: call it on a worker.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"

namespace castle::io {

struct TlsOptions {
    std::string ca_file;    // trusted certificates; a client without one trusts the system's
    std::string cert_file;  // own certificate, with its chain
    std::string key_file;   // empty: the key is in cert_file
    std::string key_password;
    std::string ciphers;  // OpenSSL's list, for TLS 1.2
    // Client: none is "insecure" (anybody may answer), required checks chain and name. Server: whether clients need a
    // certificate.
    enum class Verify { none, optional, required };
    Verify verify = Verify::required;
    bool check_host = true;  // client: the name that was asked for must be in the certificate
    std::string alpn;        // client: the one protocol to ask for, such as "h2"
};

class TlsContext {
public:
    static Result<std::shared_ptr<const TlsContext>> client(const TlsOptions& options);
    static Result<std::shared_ptr<const TlsContext>> server(const TlsOptions& options);
    ~TlsContext();

    struct Impl;
    const Impl& impl() const { return *impl_; }

private:
    explicit TlsContext(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace castle::io
