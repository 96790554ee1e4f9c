// Internal to io: OpenSSL's side of a TlsContext.
#pragma once

#include <openssl/ssl.h>

#include "io/tls.hpp"

namespace castle::io {

struct SslFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(X509* certificate) const { X509_free(certificate); }
};

struct TlsContext::Impl {
    TlsOptions options;
    std::unique_ptr<SSL_CTX, SslFree> context;
};

// Everything in this thread's queue of OpenSSL errors as one text, and the queue emptied.
std::string openssl_errors();

}  // namespace castle::io
