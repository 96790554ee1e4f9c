#include "node/etcd_users.hpp"

#include "dcs/etcd/client.hpp"

namespace castle::node {
namespace {

constexpr dcs::Method method(std::string_view path) {
    return {path, false, dcs::TermGuard::Source::quorum};
}

// What an earlier attempt has done already is as good.
Status done_or_there(Status status) {
    if (!status && status.error().code != Errc::conflict) return status;
    return Done{};
}

template <class Request>
Task<Status> change(dcs::Client& client, std::string_view path, Request request, BootTime deadline) {
    auto answer = co_await client.call<etcdpb::AuthChangeResponse>(method(path), std::move(request), deadline);
    if (!answer) co_return std::move(answer).error();
    co_return Done{};
}

}  // namespace

dcs::EtcdOptions etcd_options(const Plan& plan) {
    return {.endpoints = {{"127.0.0.1", plan.etcd_port()}},
            .user = "root",
            .password = plan.passwords.etcd,
            .prefix = "/service/" + plan.scope + "/",
            .watch = false};
}

Task<Status> protect_etcd(io::Loop& loop, Plan plan, BootTime deadline) {
    dcs::EtcdOptions options = etcd_options(plan);
    options.user.clear();
    options.password.clear();
    dcs::Client client(loop, std::move(options));

    etcdpb::AuthUserAddRequest user;
    user.set_name("root");
    user.set_password(plan.passwords.etcd);
    auto added = co_await change(client, "/etcdserverpb.Auth/UserAdd", user, deadline);
    // Somebody without a name is refused: it is on since the last time.
    if (!added && added.error().message.find("user name is empty") != std::string::npos) co_return Done{};
    CASTLE_CO_CHECK(done_or_there(std::move(added)));

    etcdpb::AuthRoleAddRequest role;
    role.set_name("root");
    auto role_added = co_await change(client, "/etcdserverpb.Auth/RoleAdd", role, deadline);
    CASTLE_CO_CHECK(done_or_there(std::move(role_added)));
    etcdpb::AuthUserGrantRoleRequest grant;
    grant.set_user("root");
    grant.set_role("root");
    auto granted = co_await change(client, "/etcdserverpb.Auth/UserGrantRole", grant, deadline);
    CASTLE_CO_CHECK(done_or_there(std::move(granted)));
    const etcdpb::AuthEnableRequest enable;
    co_return co_await change(client, "/etcdserverpb.Auth/AuthEnable", enable, deadline);
}

}  // namespace castle::node
