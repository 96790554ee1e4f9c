// For tests: a certificate authority and certificates made by the openssl program, in a directory that goes with them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace castle::io {

class TestCertificates {
public:
    TestCertificates() {
        std::string name = std::filesystem::temp_directory_path() / "castle-tls-XXXXXX";
        EXPECT_TRUE(::mkdtemp(name.data()));
        directory_ = name;
        run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca -keyout ca.key "
            "-out ca.crt");
        make("server", "subjectAltName=DNS:localhost,IP:127.0.0.1");
        make("client", "");
        run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other-ca -keyout other.key "
            "-out "
            "other.crt");
        run("pkey -in client.key -aes128 -passout pass:secret -out locked.key");
    }
    TestCertificates(const TestCertificates&) = delete;
    TestCertificates& operator=(const TestCertificates&) = delete;
    ~TestCertificates() {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    const std::string& directory() const { return directory_; }

private:
    void run(const std::string& arguments) {
        const std::string command = "cd " + directory_ + " && openssl " + arguments + " 2>>log";
        EXPECT_EQ(::system(command.c_str()), 0) << command;
    }
    void make(const std::string& name, const std::string& extension) {
        run("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name + " -keyout " + name +
            ".key -out " + name + ".csr" + (extension.empty() ? "" : " -addext " + extension));
        run("x509 -req -in " + name +
            ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out " + name + ".crt");
    }
    std::string directory_;
};

}  // namespace castle::io
