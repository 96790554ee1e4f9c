// GET /cluster; GET, PATCH and PUT /config.
#include <boost/json.hpp>

#include "api/answers.hpp"
#include "api/documents.hpp"
#include "api/rest.hpp"
#include "config/patch.hpp"

namespace castle::api {
namespace {

namespace json = boost::json;

// The stored configuration if it is an object.
std::optional<json::object> config_of(const core::Cluster& cluster) {
    if (!cluster.config) return std::nullopt;
    boost::system::error_code failed;
    json::value value = json::parse(*cluster.config, failed);
    if (failed || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

}  // namespace

io::HttpResponse Rest::get_config() const {
    const View view = commands_.view();
    const auto config = view->cluster ? config_of(*view->cluster) : std::nullopt;
    return config ? json_answer(200, *config) : error_page(502);
}

Task<io::HttpResponse> Rest::get_cluster() {
    auto cluster = co_await commands_.read_cluster(deadline());
    if (!cluster) co_return error_page(503);
    co_return json_answer(200, cluster_document(*cluster, settings_of(*cluster), commands_.view()->scope));
}

Task<io::HttpResponse> Rest::patch_config(json::object changes) {
    auto cluster = co_await commands_.read_cluster(deadline());
    auto config = cluster ? config_of(*cluster) : std::nullopt;
    if (!config) co_return error_page(503);
    if (config::patch(*config, changes)) {
        std::vector<core::KeyWrite> writes{{.key = "config",
                                            .value = json_text(*config),
                                            .expect = {core::Expect::modified_at(cluster->config_modified)}}};
        auto written = co_await commands_.write(std::move(writes), deadline());
        if (!written) {
            log(ports::Level::warning, "PATCH /config: " + written.error().message);
            co_return error_page(written.error().code == Errc::conflict ? 409 : 503);
        }
        commands_.wake();
    }
    co_return json_answer(200, *config);
}

Task<io::HttpResponse> Rest::put_config(json::object wanted) {
    auto cluster = co_await commands_.read_cluster(deadline());
    if (!cluster) co_return error_page(502);
    const auto config = config_of(*cluster);
    if (!config || !config::same_by_text(*config, wanted)) {
        std::vector<core::KeyWrite> writes{{.key = "config", .value = json_text(wanted)}};
        auto written = co_await commands_.write(std::move(writes), deadline());
        if (!written) {
            log(ports::Level::warning, "PUT /config: " + written.error().message);
            co_return error_page(502);
        }
        commands_.wake();
    }
    co_return json_answer(200, wanted);
}

}  // namespace castle::api
