#include "main/log.hpp"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

#include "main/log_layout.hpp"

namespace castle {

struct Log::Impl {
    std::mutex mutex;  // guards what configure() replaces
    config::Log settings;
    ports::Level least = ports::Level::info;
    std::string last_heartbeat;
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::shared_ptr<spdlog::logger> logger;
};

namespace {

std::shared_ptr<spdlog::sinks::sink> make_sink(const config::Log& settings) {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (settings.dir.empty()) {
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
        const std::string path = settings.dir + "/patroni.log";
        sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
            path, static_cast<std::size_t>(settings.file_size), static_cast<std::size_t>(settings.file_num));
        if (settings.mode) chmod(path.c_str(), static_cast<mode_t>(*settings.mode));
    }
    sink->set_pattern("%v");
    return sink;
}

}  // namespace

Log::Log(const config::Log& settings) : impl_(std::make_unique<Impl>()) {
    if (configure(settings)) return;
    config::Log fallback = settings;  // a log directory that cannot be written must not keep the agent from telling so
    fallback.dir.clear();
    const Status configured = configure(fallback);
    CASTLE_ASSERT(bool(configured));
    write(ports::Level::error, "log.dir " + settings.dir + " cannot be written; logging to standard error");
}

// The pool's thread ends only after it has written everything; what it writes to must outlive it.
Log::~Log() {
    impl_->pool.reset();
    impl_->logger.reset();
}

Status Log::configure(const config::Log& settings) {
    try {
        auto sink = make_sink(settings);
        const std::lock_guard lock(impl_->mutex);
        if (!impl_->pool)
            impl_->pool = std::make_shared<spdlog::details::thread_pool>(
                static_cast<std::size_t>(std::max<std::int64_t>(settings.max_queue_size, 100)), 1);
        impl_->logger = std::make_shared<spdlog::async_logger>("pgcastle", std::move(sink), impl_->pool,
                                                               spdlog::async_overflow_policy::overrun_oldest);
        impl_->logger->set_level(spdlog::level::trace);
        impl_->logger->flush_on(spdlog::level::trace);
        impl_->settings = settings;
        impl_->least = level_from_python(settings.level);
        return Done{};
    } catch (const spdlog::spdlog_ex& failed) {
        return Error{Errc::failed, std::string("log: ") + failed.what()};
    }
}

void Log::write(ports::Level level, std::string_view text) {
    const std::lock_guard lock(impl_->mutex);
    if (level < impl_->least) return;
    if (impl_->settings.deduplicate_heartbeat_logs && level == ports::Level::info &&
        text.find("no action. I am (") != text.npos) {
        if (impl_->last_heartbeat == text) return;
        impl_->last_heartbeat = text;
    }
    const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    impl_->logger->log(spdlog::level::info, lay_out(impl_->settings, {level, text, now, getpid()}));
}

}  // namespace castle
