// For tests: a cluster that exists only in this object, and a person who types what the test says.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ctl/run.hpp"

namespace castle::ctl::testing {

class MadeUpTerminal final : public Terminal {
public:
    std::string output, errors;
    std::deque<std::string> answers;
    std::string input;   // what read_all() finds
    std::string edited;  // what the editor leaves; empty: the text as it was
    std::string seen_by_editor;

    void out(std::string_view text) override { output += text; }
    void err(std::string_view text) override { errors += text; }
    std::optional<std::string> read_line() override {
        if (answers.empty()) return {};
        std::string answer = answers.front();
        answers.pop_front();
        output += answer + "\n";
        return answer;
    }
    std::string read_all() override { return input; }
    Result<std::string> ask_secret(std::string_view) override { return read_line().value_or(""); }
    bool shows_to_person() const override { return false; }
    Result<std::string> edit(std::string_view text, std::string_view) override {
        seen_by_editor = text;
        return edited.empty() ? std::string(text) : edited;
    }
    void page(std::string_view text) override { out(text); }
};

// What the members answer, and what was asked of them: "POST http://n1/restart {...}".
struct MadeUpCluster {
    std::map<std::string, std::string> keys;
    std::map<std::string, std::deque<Answer>> answers;  // by "POST n1 restart"; none left: the member is unreachable
    std::map<std::string, SqlRows> sql;
    std::vector<std::string> logins;  // "user:password@host:port/dbname"
    std::set<std::string> no_sql;     // hosts that cannot be connected to
    std::vector<std::string> requests;
    std::vector<std::string> writes;  // "config={...}"
    bool conflict = false;
    std::function<void(MadeUpCluster&)> while_sleeping = [](MadeUpCluster&) {};
    int sleeps = 0;
};

// A server that answers by the text of the statement: "host statement" to rows; what it does not know is an error.
class MadeUpSql final : public SqlSession {
public:
    MadeUpSql(MadeUpCluster& cluster, std::string host) : cluster_(cluster), host_(std::move(host)) {}
    Result<SqlRows> execute(const std::string& sql) override {
        const auto found = cluster_.sql.find(host_ + " " + sql);
        if (found == cluster_.sql.end()) return Error{Errc::failed, "42601"};
        return found->second;
    }

private:
    MadeUpCluster& cluster_;
    std::string host_;
};

class MadeUpRemote final : public Remote {
public:
    explicit MadeUpRemote(MadeUpCluster& cluster) : cluster_(cluster) {}

    Result<core::Snapshot> read(const std::string& prefix) override {
        core::Snapshot snapshot;
        for (const auto& [key, value] : cluster_.keys)
            if (key.starts_with(prefix))
                snapshot.keys[key.substr(prefix.size())] = {value, Revision{7}, Revision{7}, LeaseId{}};
        return snapshot;
    }
    Result<Revision> write(const std::string& prefix, const std::vector<core::KeyWrite>& writes) override {
        if (cluster_.conflict) return Error{Errc::conflict, "somebody was faster"};
        for (const core::KeyWrite& write : writes) {
            const bool checked = !write.expect.empty() && write.expect[0].revision == Revision{7};
            cluster_.writes.push_back(write.key + (checked ? "@7=" : "=") + write.value.value_or("(deleted)"));
            if (write.value)
                cluster_.keys[prefix + write.key] = *write.value;
            else
                cluster_.keys.erase(prefix + write.key);
        }
        return Revision{8};
    }
    Result<Answer> request(const std::string& method, const std::string& url, const std::string& endpoint,
                           const std::optional<std::string>& body) override {
        const std::string member = url.substr(url.find("//") + 2, url.find(':', 6) - url.find("//") - 2);
        std::string name = method;
        name += " " + member + " " + endpoint;
        cluster_.requests.push_back(name + (body ? " " + *body : ""));
        auto& left = cluster_.answers[name];
        if (left.empty()) return Error{Errc::unavailable, "connect " + member + ": Connection refused"};
        Answer answer = left.front();
        left.pop_front();
        return answer;
    }
    Result<std::unique_ptr<SqlSession>> connect_sql(const SqlLogin& login) override {
        cluster_.logins.push_back(login.user + ":" + login.password + "@" + login.host + ":" + login.port + "/" +
                                  login.dbname);
        if (cluster_.no_sql.contains(login.host)) return Error{Errc::unavailable, "connection refused"};
        return std::unique_ptr<SqlSession>(std::make_unique<MadeUpSql>(cluster_, login.host));
    }
    WallTime now() const override {
        return WallTime{std::chrono::sys_days{std::chrono::year{2026} / 3 / 4} + std::chrono::hours(5)};
    }
    Zone zone() const override {
        return {{2026, 3, 4}, [](const LocalTime&) { return std::chrono::minutes(0); }};
    }
    void sleep(Duration) override {
        ++cluster_.sleeps;
        cluster_.while_sleeping(cluster_);
    }

private:
    MadeUpCluster& cluster_;
};

}  // namespace castle::ctl::testing
