// What validation looks at outside of the configuration: addresses, directories, programs. An interface, so that tests
// need neither network nor PostgreSQL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"

namespace castle::config {

class Probe {
public:
    virtual ~Probe() = default;
    // Whether a server could listen there: the name resolves to an address of this machine and the port is free.
    virtual Status can_listen(const std::string& host, std::uint16_t port, bool ignore_port_in_use) = 0;
    virtual Status can_connect(const std::string& host, std::uint16_t port) = 0;  // within a few seconds
    virtual bool exists(const std::string& path) = 0;
    virtual bool is_directory(const std::string& path) = 0;
    virtual bool is_empty_directory(const std::string& path) = 0;
    virtual Result<std::string> read_file(const std::string& path) = 0;
    // The full path of an executable; a name without a slash is looked up in PATH.
    virtual std::optional<std::string> find_program(const std::string& name) = 0;
    // What `<program> --version` prints.
    virtual Result<std::string> version_of(const std::string& program) = 0;
};

// The machine itself. Blocking calls; for a command line that does nothing else meanwhile.
class MachineProbe final : public Probe {
public:
    Status can_listen(const std::string& host, std::uint16_t port, bool ignore_port_in_use) override;
    Status can_connect(const std::string& host, std::uint16_t port) override;
    bool exists(const std::string& path) override;
    bool is_directory(const std::string& path) override;
    bool is_empty_directory(const std::string& path) override;
    Result<std::string> read_file(const std::string& path) override;
    std::optional<std::string> find_program(const std::string& name) override;
    Result<std::string> version_of(const std::string& program) override;
};

}  // namespace castle::config
