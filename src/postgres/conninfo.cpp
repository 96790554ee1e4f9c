#include "postgres/conninfo.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace castle::postgres {
namespace {

constexpr std::string_view order[] = {"dbname",
                                      "user",
                                      "passfile",
                                      "host",
                                      "port",
                                      "sslmode",
                                      "sslcompression",
                                      "sslcert",
                                      "sslkey",
                                      "sslpassword",
                                      "sslrootcert",
                                      "sslcrl",
                                      "sslcrldir",
                                      "application_name",
                                      "krbsrvname",
                                      "gssencmode",
                                      "channel_binding",
                                      "target_session_attrs",
                                      "sslnegotiation"};

bool known_to(const std::string& key, Version version) {
    if (key == "sslcrldir") return version.sslcrldir();
    if (key == "sslnegotiation") return version.sslnegotiation();
    return true;
}

void append(std::string& text, std::string_view key, std::string_view value) {
    if (!text.empty()) text += ' ';
    text += key;
    text += '=';
    for (const char c : value) {
        if (c == '\'' || c == '\\' || c == ' ') text += '\\';
        text += c;
    }
}

std::string escape_pgpass(std::string_view value) {
    std::string text;
    for (const char c : value) {
        if (c == ':' || c == '\\') text += '\\';
        text += c;
    }
    return text;
}

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace

ConnParams connect_params(const Address& to, const Credentials& credentials, Version version) {
    ConnParams params;
    for (const auto& [key, value] : credentials.options)
        if (!value.empty() && known_to(key, version)) params[key] = value;
    if (!credentials.username.empty()) params["user"] = credentials.username;
    if (!credentials.password.empty()) params["password"] = credentials.password;
    params["host"] = to.host;
    params["port"] = std::to_string(to.port);
    return params;
}

std::string conninfo_text(const ConnParams& params) {
    std::string text;
    for (const std::string_view key : order) {
        const auto found = params.find(std::string(key));
        if (found != params.end() && !found->second.empty()) append(text, key, found->second);
    }
    for (const auto& [key, value] : params)
        if (key != "password" && !value.empty() &&
            std::find(std::begin(order), std::end(order), key) == std::end(order))
            append(text, key, value);
    return text;
}

Result<ConnParams> parse_conninfo(std::string_view text) {
    const Error broken{Errc::invalid, "the connection string cannot be read"};
    ConnParams params;
    std::size_t at = 0;
    const auto skip_blanks = [&] {
        while (at < text.size() && is_blank(text[at])) ++at;
    };
    for (skip_blanks(); at < text.size(); skip_blanks()) {
        std::string key;
        while (at < text.size() && text[at] != '=' && !is_blank(text[at])) key += text[at++];
        skip_blanks();
        if (key.empty() || at >= text.size() || text[at] != '=') return broken;
        ++at;
        skip_blanks();
        std::string value;
        const bool quoted = at < text.size() && text[at] == '\'';
        if (quoted) ++at;
        while (at < text.size() && (quoted ? text[at] != '\'' : !is_blank(text[at]))) {
            if (text[at] == '\\' && at + 1 < text.size()) ++at;
            value += text[at++];
        }
        if (quoted) {
            if (at >= text.size()) return broken;
            ++at;
        }
        params[key] = value;
    }
    return params;
}

void add_default_modes(ConnParams& params, Version version) {
    params.try_emplace("sslmode", "prefer");
    params.try_emplace("gssencmode", "prefer");
    params.try_emplace("channel_binding", "prefer");
    if (version.sslnegotiation()) params.try_emplace("sslnegotiation", "postgres");
}

std::string pgpass_text(const Address& to, const Credentials& credentials) {
    if (credentials.password.empty()) return {};
    std::vector<std::string> hosts = split(to.host, ',');
    if (std::any_of(hosts.begin(), hosts.end(), [](const std::string& host) { return host.starts_with('/'); }) &&
        std::find(hosts.begin(), hosts.end(), "localhost") == hosts.end())
        hosts.push_back("localhost");
    std::string text;
    for (const std::string& host : hosts)
        text += escape_pgpass(host) + ":" + std::to_string(to.port) + ":*:" + escape_pgpass(credentials.username) +
                ":" + escape_pgpass(credentials.password) + "\n";
    return text;
}

std::string conn_url(const std::string& host, int port, const std::string& database) {
    const bool bracket = host.find(':') != host.npos;
    return "postgres://" + (bracket ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" + database;
}

}  // namespace castle::postgres
