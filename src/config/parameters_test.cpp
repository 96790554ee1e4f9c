#include "config/parameters.hpp"

#include <gtest/gtest.h>

namespace castle::config {
namespace {

TEST(Parameters, ControlledOnesHaveTheirRule) {
    struct Row {
        const char* name;
        boost::json::value value;
        bool good;
    };
    const Row rows[] = {
        {"max_connections", 25, true},
        {"max_connections", 24, false},
        {"MAX_connections", "100", true},
        {"max_connections", "many", false},
        {"max_wal_senders", 3, true},
        {"max_wal_senders", 2, false},
        {"max_replication_slots", 3, false},
        {"max_worker_processes", 2, true},
        {"max_prepared_transactions", 0, true},
        {"max_prepared_transactions", -1, false},
        {"max_locks_per_transaction", 31, false},
        {"wal_level", "LOGICAL", true},
        {"wal_level", "hot_standby", true},
        {"wal_level", "minimal", false},
        {"hot_standby", true, true},
        {"hot_standby", "off", false},
        {"wal_log_hints", false, true},
        {"wal_log_hints", "maybe", false},
        {"track_commit_timestamp", "on", true},
        {"wal_keep_size", "16MB", true},
        {"wal_keep_size", "1GB", true},
        {"wal_keep_size", "15MB", false},
        {"wal_keep_segments", 1, true},
        {"wal_keep_segments", 0, false},
        {"port", 5432, false},
        {"cluster_name", "x", false},
        {"listen_addresses", "*", false},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        const auto* const parameter = find_controlled(row.name);
        ASSERT_TRUE(parameter);
        EXPECT_EQ(acceptable(*parameter, row.value), row.good);
        EXPECT_FALSE(rule_text(*parameter).empty());
    }
    EXPECT_FALSE(find_controlled("shared_buffers"));
    for (const auto& parameter : controlled_parameters())
        if (!parameter.default_value.empty())
            EXPECT_TRUE(acceptable(parameter, boost::json::value(parameter.default_value))) << parameter.name;
}

TEST(Parameters, ValuesAreComparedByWhatTheyMean) {
    struct Row {
        const char* type;
        const char* unit;
        const char* setting;
        const char* wanted;
        bool same;
    };
    const Row rows[] = {
        {"bool", "", "on", "True", true},
        {"bool", "", "off", "f", true},
        {"bool", "", "on", "o", false},
        {"bool", "", "off", "of", true},
        {"integer", "8kB", "16384", "128MB", true},
        {"integer", "8kB", "16384", "16384", true},
        {"integer", "8kB", "16384", "16MB", false},
        {"integer", "ms", "300000", "5min", true},
        {"integer", "", "100", "100", true},
        {"integer", "", "384", "0600", true},
        {"integer", "kB", "65536", "64 MB", true},
        {"integer", "ms", "1000", "nonsense", false},
        {"real", "", "0.9", "0.90", true},
        {"real", "ms", "2", "2ms", true},
        {"enum", "", "replica", "Replica", true},
        {"string", "", "a", "A", false},
        {"string", "", "", "", true},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(std::string(row.setting) + " and " + row.wanted);
        EXPECT_EQ(same_value(variable_type(row.type), row.unit, row.setting, row.wanted), row.same);
    }
}

TEST(Parameters, WalKeepFollowsTheVersion) {
    struct Row {
        int version;
        Parameters before, after;
    };
    const Row rows[] = {
        {150000, {}, {{"wal_keep_size", "128MB"}}},
        {150000, {{"wal_keep_segments", "100"}}, {{"wal_keep_size", "1600MB"}}},
        {150000, {{"wal_keep_segments", "100"}, {"wal_keep_size", "1GB"}}, {{"wal_keep_size", "1GB"}}},
        {120000, {}, {{"wal_keep_segments", "8"}}},
        {120000, {{"wal_keep_size", "1GB"}}, {{"wal_keep_segments", "64"}}},
    };
    for (const Row& row : rows) {
        Parameters parameters = row.before;
        convert_wal_keep(parameters, row.version);
        EXPECT_EQ(parameters, row.after);
    }
}

TEST(Parameters, NamesHaveNoCase) {
    Parameters parameters{{"Work_Mem", "4MB"}};
    EXPECT_EQ(parameters.count("work_mem"), 1u);
    EXPECT_TRUE(is_recovery_parameter("Primary_ConnInfo"));
    EXPECT_FALSE(is_recovery_parameter("work_mem"));
    EXPECT_EQ(parameter_text(true), "on");
    EXPECT_EQ(parameter_text(0.9), "0.9");
}

}  // namespace
}  // namespace castle::config
