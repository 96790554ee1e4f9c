#include "main/agent_program.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "agent/agent.hpp"
#include "api/http_peers.hpp"
#include "api/rest.hpp"
#include "api/rest_server.hpp"
#include "config/environment.hpp"
#include "config/local.hpp"
#include "dcs/store_factory.hpp"
#include "io/clock.hpp"
#include "io/loop.hpp"
#include "io/signals.hpp"
#include "io/tls.hpp"
#include "main/log.hpp"
#include "main/options.hpp"
#include "main/systemd.hpp"
#include "postgres/fence_client.hpp"
#include "postgres/fence_client_launcher.hpp"
#include "postgres/instance.hpp"
#include "postgres/process_launcher.hpp"

namespace castle {
namespace {

class SystemClock final : public ports::Clock {
public:
    Now now() const override { return {io::boot_now(), io::wall_now()}; }
};

// Where callbacks and scripts run. It may have been removed under us.
std::string working_directory() {
    std::error_code failed;
    const auto path = std::filesystem::current_path(failed);
    return failed ? "/" : path.string();
}

// Where the configuration asks for none: never attached, so the agent demotes by itself, as well as it can.
class NoFence final : public ports::Fence {
public:
    ports::FenceState state() const override { return {}; }
    Signal& changed() override { return changed_; }
    Task<Status> arm(Revision, BootTime, Duration) override { co_return Done{}; }
    Task<Status> extend(Revision, BootTime, Duration) override { co_return Done{}; }
    Task<Status> fire() override { co_return Error{Errc::failed, "there is no fence"}; }
    Task<Status> disarm() override { co_return Done{}; }
    Task<Status> check_watchdog(std::string) override { co_return Error{Errc::failed, "there is no fence to hold it"}; }
    Task<Result<Duration>> open_watchdog(std::string, std::string, Duration) override {
        co_return Error{Errc::failed, "there is no fence to hold it"};
    }
    Task<Status> close_watchdog() override { co_return Done{}; }

private:
    Signal changed_;
};

postgres::FenceOptions fence_options(const config::Local& local, const postgres::InstanceOptions& server) {
    postgres::FenceOptions options;
    options.member = local.scope + "/" + local.name;
    if (local.document.data.contains("castle")) options.runtime_dir = local.castle.fence_dir;
    options.data_dir = server.data_dir;
    return options;
}

Result<config::Local> load(const std::optional<std::string>& path, const config::Variables& variables) {
    CASTLE_TRY(config::Document document, config::load_document(path, variables));
    config::Local local = config::read_local(std::move(document));
    CASTLE_CHECK(config::check_startable(local));
    return local;
}

std::optional<io::BasicAuth> peer_auth(const config::Local& local) {
    const auto& auth = local.ctl.authentication;
    if (!auth) return std::nullopt;
    return io::BasicAuth{auth->username, auth->password};
}

class Program {
public:
    Program(io::Loop& loop, Log& log, std::optional<std::string> path, const config::Variables& variables,
            config::Local local)
        : loop_(loop), log_(log), path_(std::move(path)), variables_(variables), local_(std::move(local)) {}

    Task<agent::Agent::Exit> run();

private:
    Task<Status> assemble();
    agent::Options options_for_agent() const;
    Task<Status> listen();
    Task<> reload();
    Task<Status> take_up();
    void on_signal(int number);
    void tell_mistakes(const config::Local& local) {
        for (const config::Mistake& mistake : local.document.mistakes)
            log_.write(ports::Level::warning, mistake.text());
        for (const std::string& warning : local.tags.warnings) log_.write(ports::Level::warning, warning);
        for (const std::string& warning : postgresql_warnings(local)) log_.write(ports::Level::warning, warning);
    }

    io::Loop& loop_;
    Log& log_;
    std::optional<std::string> path_;
    const config::Variables& variables_;
    config::Local local_;
    SystemClock clock_;
    std::unique_ptr<ports::Store> store_;
    std::unique_ptr<ports::Fence> fence_;
    std::unique_ptr<postgres::Launcher> launcher_;
    std::unique_ptr<postgres::Instance> server_;
    std::unique_ptr<api::HttpPeers> peers_;
    std::unique_ptr<agent::Agent> agent_;
    std::unique_ptr<api::Rest> rest_;
    std::unique_ptr<api::RestServer> rest_server_;
    std::string start_dir_ = working_directory();
    bool replaced_ = false;
    Signal::Subscription on_fence_;
    Scope scope_{loop_};
};

agent::Options Program::options_for_agent() const {
    agent::Options options = agent_options(local_);
    options.remembered_config = server_->remembered_dynamic();
    return options;
}

Task<Status> Program::assemble() {
    CASTLE_CO_TRY(store_, dcs::make_store(loop_, local_));
    CASTLE_CO_TRY(auto tls, co_await loop_.on_worker([options = api::member_tls_options(local_)] {
        return io::TlsContext::client(options);
    }));
    peers_ = std::make_unique<api::HttpPeers>(loop_, std::move(tls), peer_auth(local_));
    postgres::InstanceOptions options = instance_options(local_, start_dir_);
    if (local_.castle.fence) {
        auto client = std::make_unique<postgres::FenceClient>(loop_, log_, fence_options(local_, options));
        CASTLE_CO_CHECK(co_await client->open(loop_.now() + Duration{10'000}));
        launcher_ = std::make_unique<postgres::FenceLauncher>(loop_, *client);
        on_fence_ = client->changed().subscribe([this, fence = client.get()] {
            if (!fence->replaced() || !agent_) return;
            log_.write(ports::Level::critical,
                       "another agent has taken over this member's fence; ending, and leaving the server to it");
            replaced_ = true;
            agent_->leave();
        });
        fence_ = std::move(client);
    } else {
        log_.write(ports::Level::warning,
                   "castle.fence is off: a primary whose agent hangs or dies lives on beside its successor");
        launcher_ = std::make_unique<postgres::ProcessLauncher>(loop_);
        fence_ = std::make_unique<NoFence>();
    }
    CASTLE_CO_TRY(server_, co_await postgres::Instance::open(loop_, std::move(options), *launcher_, log_));
    agent_ = std::make_unique<agent::Agent>(
        agent::Agent::World{loop_, clock_, *store_, *server_, *fence_, *peers_, log_}, options_for_agent());
    co_return Done{};
}

// The REST interface listens only when the name has been found free: whoever asks this address gets an answer from then
// on.
Task<Status> Program::listen() {
    rest_ = std::make_unique<api::Rest>(loop_, clock_, *agent_, log_);
    rest_->configure(local_.restapi);
    CASTLE_CO_TRY(rest_server_,
                  co_await api::RestServer::start(loop_, *rest_, local_.restapi, loop_.now() + Duration{5000}));
    systemd::ready();
    co_return Done{};
}

// Everything new is read and checked first; what is wrong leaves all as it is.
Task<> Program::reload() {
    systemd::reloading();
    const Status reloaded = co_await take_up();
    if (!reloaded)
        log_.write(ports::Level::error,
                   "reload: " + reloaded.error().message + "; the running configuration is unchanged");
    systemd::ready();
}

Task<Status> Program::take_up() {
    CASTLE_CO_TRY(config::Local loaded, load(path_, variables_));
    CASTLE_CO_TRY(auto tls, co_await loop_.on_worker([options = api::member_tls_options(loaded)] {
        return io::TlsContext::client(options);
    }));
    if (rest_server_) CASTLE_CO_CHECK(co_await rest_server_->reconfigure(loaded.restapi, loop_.now() + Duration{5000}));
    tell_mistakes(loaded);
    local_ = std::move(loaded);
    if (auto configured = log_.configure(local_.log); !configured)
        log_.write(ports::Level::error, configured.error().message);
    peers_->set_tls(std::move(tls));
    if (rest_) rest_->configure(local_.restapi);
    server_->take_options(instance_options(local_, start_dir_));
    agent_->set_options(options_for_agent());
    server_->callback("on_reload", agent_->view()->role == "primary" ? "primary" : "replica");
    co_return Done{};
}

void Program::on_signal(int number) {
    if (!agent_) return;
    switch (number) {
        case SIGHUP: scope_.spawn(reload()); break;
        case SIGUSR2:
            log_.write(ports::Level::info, "executing the program anew");
            agent_->leave();
            break;
        default: systemd::stopping(); agent_->stop();
    }
}

Task<agent::Agent::Exit> Program::run() {
    using Exit = agent::Agent::Exit;
    tell_mistakes(local_);
    if (auto assembled = co_await assemble(); !assembled) {
        log_.write(ports::Level::critical, assembled.error().message);
        co_return Exit::fatal;
    }
    const io::Signals signals(loop_, {SIGTERM, SIGINT, SIGHUP, SIGUSR2}, [this](int number) { on_signal(number); });
    agent_->on_started = [this] { return listen(); };
    agent_->on_reload = [this] { scope_.spawn(reload()); };
    Exit exit = co_await agent_->run();
    if (replaced_) exit = Exit::fatal;
    if (rest_server_) co_await rest_server_->stop(loop_.now() + Duration{1000});
    co_return exit;
}

}  // namespace

int run_agent(std::optional<std::string> path, char** argv) {
    systemd::take_socket();
    // The program as it was started: after an upgrade this path holds the new one.
    std::error_code failed;
    const std::string self = std::filesystem::read_symlink("/proc/self/exe", failed).string();
    const config::Variables variables = config::take_environment();
    auto local = load(path, variables);
    if (!local) {
        std::fprintf(stderr, "%s\n", local.error().message.c_str());
        return 1;
    }
    auto exit = agent::Agent::Exit::fatal;
    {
        Log log(local->log);
        io::Loop loop;
        auto program = std::make_unique<Program>(loop, log, path, variables, *std::move(local));
        exit = io::run_to_end(loop, program->run());
        program.reset();
    }
    if (exit != agent::Agent::Exit::left) return exit == agent::Agent::Exit::stopped ? 0 : 1;
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    if (!systemd::socket().empty()) setenv("NOTIFY_SOCKET", systemd::socket().c_str(), 1);
    execv(self.c_str(), argv);
    std::fprintf(stderr, "%s: %s\n", self.c_str(), std::strerror(errno));
    return 1;
}

}  // namespace castle
