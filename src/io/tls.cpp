#include <openssl/err.h>
#include <unistd.h>

#include <cerrno>

#include "io/address.hpp"
#include "io/tls_impl.hpp"

namespace castle::io {
namespace {

using Context = std::unique_ptr<SSL_CTX, SslFree>;

Error wrong(std::string_view what, const std::string& file) {
    return {Errc::invalid, std::string(what) + " \"" + file + "\": " + openssl_errors()};
}

Status readable(std::string_view what, const std::string& file) {
    if (::access(file.c_str(), R_OK) == 0) return Done{};
    return Error{Errc::invalid, std::string(what) + " \"" + file + "\": " + errno_text(errno)};
}

// Without this OpenSSL would ask on the terminal.
int give_password(char* buffer, int size, int, void* password) {
    const auto& text = *static_cast<const std::string*>(password);
    if (text.size() > static_cast<std::size_t>(size)) return -1;
    text.copy(buffer, text.size());
    return static_cast<int>(text.size());
}

Status load_own(SSL_CTX* context, const TlsOptions& options) {
    if (options.cert_file.empty()) return Done{};
    const std::string& key = options.key_file.empty() ? options.cert_file : options.key_file;
    CASTLE_CHECK(readable("certificate file", options.cert_file));
    CASTLE_CHECK(readable("key file", key));
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, const_cast<std::string*>(&options.key_password));
    if (SSL_CTX_use_certificate_chain_file(context, options.cert_file.c_str()) != 1)
        return wrong("certificate file", options.cert_file);
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
        const unsigned long error = ERR_peek_error();
        if (ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH) {
            openssl_errors();
            return Error{Errc::invalid, "the key in \"" + key + "\" does not belong to the certificate in \"" +
                                            options.cert_file + "\""};
        }
        const bool blank = options.key_password.empty();
        return wrong(blank ? "key file (no password was given)" : "key file (or its password)", key);
    }
    if (SSL_CTX_check_private_key(context) != 1)
        return Error{Errc::invalid, "the key in \"" + key + "\" does not belong to the certificate in \"" +
                                        options.cert_file + "\": " + openssl_errors()};
    return Done{};
}

Status load_trust(SSL_CTX* context, const TlsOptions& options) {
    if (options.ca_file.empty()) {
        SSL_CTX_set_default_verify_paths(context);
        return Done{};
    }
    CASTLE_CHECK(readable("CA file", options.ca_file));
    if (SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1)
        return wrong("CA file", options.ca_file);
    return Done{};
}

Result<Context> make(const TlsOptions& options, const SSL_METHOD* method) {
    openssl_errors();
    Context context(SSL_CTX_new(method));
    if (!context) return Error{Errc::failed, "OpenSSL: " + openssl_errors()};
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_read_ahead(context.get(), 1);
    if (!options.ciphers.empty() && SSL_CTX_set_cipher_list(context.get(), options.ciphers.c_str()) != 1) {
        openssl_errors();
        return Error{Errc::invalid, "ciphers \"" + options.ciphers + "\": no cipher of this OpenSSL matches"};
    }
    CASTLE_CHECK(load_own(context.get(), options));
    CASTLE_CHECK(load_trust(context.get(), options));
    return context;
}

}  // namespace

std::string openssl_errors() {
    std::string text;
    while (const unsigned long error = ERR_get_error()) {
        const char* reason = ERR_reason_error_string(error);
        if (!text.empty()) text += ", ";
        if (ERR_SYSTEM_ERROR(error))
            text += errno_text(ERR_GET_REASON(error));
        else
            text += reason ? reason : "error " + std::to_string(error);
    }
    return text.empty() ? "unknown reason" : text;
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsOptions& options) {
    CASTLE_TRY(auto context, make(options, TLS_client_method()));
    const bool check = options.verify != TlsOptions::Verify::none;
    SSL_CTX_set_verify(context.get(), check ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (!options.alpn.empty()) {
        const std::string wire = static_cast<char>(options.alpn.size()) + options.alpn;
        SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size()));
    }
    auto impl = std::make_unique<Impl>(Impl{options, std::move(context)});
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsOptions& options) {
    if (options.cert_file.empty()) return Error{Errc::invalid, "a TLS server needs a certificate file"};
    if (options.verify != TlsOptions::Verify::none && options.ca_file.empty())
        return Error{Errc::invalid, "to check certificates of clients a CA file is needed"};
    CASTLE_TRY(auto context, make(options, TLS_server_method()));
    int mode = SSL_VERIFY_NONE;
    if (options.verify != TlsOptions::Verify::none) mode = SSL_VERIFY_PEER;
    if (options.verify == TlsOptions::Verify::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context.get(), mode, nullptr);
    const unsigned char id[] = "pgcastle";
    SSL_CTX_set_session_id_context(context.get(), id, sizeof id - 1);
    if (!options.ca_file.empty())
        SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(options.ca_file.c_str()));
    auto impl = std::make_unique<Impl>(Impl{options, std::move(context)});
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

}  // namespace castle::io
