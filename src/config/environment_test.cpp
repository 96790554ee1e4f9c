#include "config/environment.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>

namespace castle::config {
namespace {

TEST(Environment, EveryKindOfVariableIsRead) {
    struct Row {
        const char* variable;
        const char* text;
        const char* json;
    };
    const Row rows[] = {
        {"PATRONI_NAME", "n1", R"({"name":"n1"})"},
        {"PATRONI_SCOPE", "030", R"({"scope":"030"})"},
        {"PATRONI_RESTAPI_USERNAME", "u", R"({"restapi":{"authentication":{"username":"u"}}})"},
        {"PATRONI_RESTAPI_VERIFY_CLIENT", "required", R"({"restapi":{"verify_client":"required"}})"},
        {"PATRONI_RESTAPI_ALLOWLIST", "10.0.0.1,10.0.0.0/8", R"({"restapi":{"allowlist":["10.0.0.1","10.0.0.0/8"]}})"},
        {"PATRONI_RESTAPI_ALLOWLIST_INCLUDE_MEMBERS", "on", R"({"restapi":{"allowlist_include_members":true}})"},
        {"PATRONI_RESTAPI_HTTP_EXTRA_HEADERS", "'X-A': '1'", R"({"restapi":{"http_extra_headers":{"X-A":"1"}}})"},
        {"PATRONI_CTL_INSECURE", "true", R"({"ctl":{"insecure":true}})"},
        {"PATRONI_LOG_FILE_SIZE", "1000", R"({"log":{"file_size":1000}})"},
        {"PATRONI_LOGLEVEL", "DEBUG", R"({"log":{"level":"DEBUG"}})"},
        {"PATRONI_LOG_FORMAT", "%(message)s", R"({"log":{"format":"%(message)s"}})"},
        {"PATRONI_LOG_FORMAT", "message, asctime: at", R"({"log":{"format":["message",{"asctime":"at"}]}})"},
        {"PATRONI_POSTGRESQL_DATA_DIR", "/d", R"({"postgresql":{"data_dir":"/d"}})"},
        {"PATRONI_POSTGRESQL_BIN_PG_CTL", "ctl", R"({"postgresql":{"bin_name":{"pg_ctl":"ctl"}}})"},
        {"PATRONI_SUPERUSER_PASSWORD", "5", R"({"postgresql":{"authentication":{"superuser":{"password":"5"}}}})"},
        {"PATRONI_REWIND_SSLMODE", "require", R"({"postgresql":{"authentication":{"rewind":{"sslmode":"require"}}}})"},
        {"PATRONI_ETCD3_HOSTS", "a:2379,b:2379", R"({"etcd3":{"hosts":["a:2379","b:2379"]}})"},
        {"PATRONI_ETCD3_PORT", "2379", R"({"etcd3":{"port":2379}})"},
        {"PATRONI_ETCD3_USE_PROXIES", "yes", R"({"etcd3":{"use_proxies":true}})"},
        {"PATRONI_ZOOKEEPER_HOSTS", "'a:2181','b:2181'", R"({"zookeeper":{"hosts":["a:2181","b:2181"]}})"},
        {"PATRONI_CONSUL_REGISTER_SERVICE", "on", R"({"consul":{"register_service":true}})"},
        {"PATRONI_CITUS_GROUP", "0", R"({"citus":{"group":0}})"},
        {"PATRONI_NAMESPACE", "", "{}"},
        {"PATRONI_SOMETHING_ELSE", "x", "{}"},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.variable);
        const Document document = read_environment({{row.variable, row.text}});
        EXPECT_EQ(boost::json::serialize(document.data), row.json);
        EXPECT_TRUE(document.mistakes.empty());
    }
}

TEST(Environment, UnreadableValuesAreMistakesThatNameTheVariable) {
    const Document document = read_environment({{"PATRONI_ETCD3_PORT", "many"}, {"PATRONI_CTL_INSECURE", "perhaps"}});
    EXPECT_TRUE(document.data.empty());
    ASSERT_EQ(document.mistakes.size(), 2u);
    EXPECT_EQ(document.mistakes[1].text(), "PATRONI_ETCD3_PORT: etcd3.port many is not an integer");
}

TEST(Environment, NewNamesWinOverOldOnes) {
    const Document document = read_environment({{"PATRONI_LOGLEVEL", "INFO"}, {"PATRONI_LOG_LEVEL", "DEBUG"}});
    EXPECT_EQ(boost::json::serialize(document.data), R"({"log":{"level":"DEBUG"}})");
}

TEST(Environment, IsRemovedAfterReading) {
    ::setenv("PATRONI_SUPERUSER_PASSWORD", "secret", 1);
    const Variables variables = take_environment();
    EXPECT_EQ(variables.at("PATRONI_SUPERUSER_PASSWORD"), "secret");
    EXPECT_EQ(std::getenv("PATRONI_SUPERUSER_PASSWORD"), nullptr);
    EXPECT_EQ(whole_configuration(variables), std::nullopt);
    EXPECT_EQ(whole_configuration({{"PATRONI_CONFIGURATION", "scope: x"}}), "scope: x");
}

}  // namespace
}  // namespace castle::config
