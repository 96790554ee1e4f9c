#include "node/preflight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "io/fd.hpp"
#include "io/process.hpp"
#include "node/directory.hpp"
#include "node/prepare.hpp"
#include "node/processes.hpp"

namespace castle::node {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Preflight : public ::testing::Test {
protected:
    Preflight() {
        std::string name = "/tmp/castle-preflight-XXXXXX";
        EXPECT_TRUE(::mkdtemp(name.data()));
        dir_ = name;
    }
    ~Preflight() override {
        std::error_code ignored;
        fs::remove_all(dir_, ignored);
    }
    std::string path(const std::string& name) const { return dir_ + "/" + name; }
    void write(const std::string& name, const std::string& text = "x") const { std::ofstream(path(name)) << text; }
    std::string dir_;
};

TEST_F(Preflight, TellsAnEmptyDirectoryFromOursAndFromSomethingElse) {
    EXPECT_EQ(*examine_directory(path("none")), DirectoryState::absent);
    EXPECT_EQ(*examine_directory(dir_), DirectoryState::absent);
    write("letters.txt");
    auto other = examine_directory(dir_);
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().message, AllOf(HasSubstr("letters.txt"), HasSubstr("--dir")));
    EXPECT_THAT(examine_directory(path("letters.txt")).error().message, HasSubstr("is not a directory"));
    write("PG_VERSION", "15");
    EXPECT_THAT(examine_directory(dir_).error().message, HasSubstr("is a PostgreSQL data directory"));
    write("castle.json", "{}");
    EXPECT_EQ(*examine_directory(dir_), DirectoryState::ours);
}

TEST_F(Preflight, FollowsALinkToADirectory) {
    fs::create_directory(path("real"));
    fs::create_directory_symlink(path("real"), path("link"));
    EXPECT_EQ(*examine_directory(path("link")), DirectoryState::absent);
}

TEST_F(Preflight, NamesTheDirectoryThatTheServersUserCannotEnter) {
    fs::create_directories(path("closed/inside"));
    ::chmod(path("closed").c_str(), 0700);
    ::chmod(dir_.c_str(), 0755);
    const io::User stranger{.name = "postgres", .home = "/", .uid = 54321, .gid = 54321, .groups = {54321}};
    const auto way = check_way(path("closed/inside/new/cluster"), stranger);
    ASSERT_FALSE(way);
    EXPECT_THAT(way.error().message,
                AllOf(HasSubstr("user postgres"), HasSubstr("cannot enter " + path("closed") + ";")));
    io::User owner = stranger;
    owner.uid = ::getuid();
    EXPECT_TRUE(check_way(path("closed/inside/new/cluster"), owner));
}

// A socket that listens on a free port of 127.0.0.1.
struct Taken {
    io::Fd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int port = 0;
    Taken() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(socket.get(), 1), 0);
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
    }
};

TEST_F(Preflight, NamesThePortThatIsTakenWhoHasItAndAWayOut) {
    const Taken taken;
    const Plan plan{.dir = dir_, .nodes = 1, .port_base = taken.port - 1};
    const auto checked = check_ports(plan, [](int) { return false; });
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message,
                AllOf(HasSubstr("port " + std::to_string(taken.port) + ", wanted for PostgreSQL of n1, is taken"),
                      HasSubstr("process " + std::to_string(::getpid())), HasSubstr("--port-base")));
    const auto ours = check_ports(plan, [&](int port) { return port == taken.port; });
    EXPECT_TRUE(ours || ours.error().message.find(std::to_string(taken.port)) == std::string::npos);
}

TEST_F(Preflight, TooLittleDiskSaysHowMuchIsNeeded) {
    EXPECT_TRUE(check_disk("/d", disk_needed(3), disk_needed(3)));
    const auto checked = check_disk("/d", 20 << 20, disk_needed(3));
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message, HasSubstr("20 MB are free, 850 MB are needed"));
    EXPECT_GT(*disk_available(path("not/made/yet")), 0u);
}

TEST_F(Preflight, ReadsPostgresVersions) {
    EXPECT_EQ(read_postgres_version("/b", "postgres (PostgreSQL) 15.6 (Debian 15.6-0+deb12u1)")->major, 15);
    EXPECT_EQ(read_postgres_version("/b", "postgres (PostgreSQL) 18beta1")->major, 18);
    EXPECT_THAT(read_postgres_version("/b", "postgres (PostgreSQL) 12.1").error().message, HasSubstr("13 to 18"));
    EXPECT_THAT(read_postgres_version("/b", "hello").error().message, HasSubstr("this is not PostgreSQL"));
}

TEST_F(Preflight, SaysWhichProgramIsMissing) {
    io::Loop loop;
    auto owner = choose_owner(dir_);
    ASSERT_TRUE(owner);
    auto postgres = io::run_to_end(loop, find_postgres(loop, dir_, *owner));
    ASSERT_FALSE(postgres);
    EXPECT_THAT(postgres.error().message, AllOf(HasSubstr("no program postgres"), HasSubstr("--postgres-bin " + dir_)));
    auto etcd = io::run_to_end(loop, find_etcd(loop, path("etcd"), *owner));
    ASSERT_FALSE(etcd);
    EXPECT_THAT(etcd.error().message, HasSubstr("--etcd " + path("etcd") + ": there is no such program"));
    auto not_etcd = io::run_to_end(loop, find_etcd(loop, "/bin/cat", *owner));
    ASSERT_FALSE(not_etcd);
    EXPECT_THAT(not_etcd.error().message, HasSubstr("this is not etcd 3"));
}

TEST(Reconcile, TakesMoreMembersAndRefusesWhatCannotBeChanged) {
    const Plan plan{.dir = "/d", .nodes = 3, .port_base = 15500, .postgres_bin = "/pg/bin"};
    EXPECT_EQ(reconcile(plan, {})->nodes, 3);
    EXPECT_EQ(reconcile(plan, {.nodes = 5})->nodes, 5);
    EXPECT_TRUE(reconcile(plan, {.nodes = 3, .port_base = 15500, .postgres_bin = "/pg/bin"}));
    EXPECT_THAT(reconcile(plan, {.nodes = 2}).error().message, HasSubstr("takes none away"));
    EXPECT_THAT(reconcile(plan, {.port_base = 16000}).error().message, HasSubstr("--port-base 15500"));
    EXPECT_THAT(reconcile(plan, {.postgres_bin = "/other"}).error().message, HasSubstr("uses /pg/bin"));
}

class Directory : public Preflight {
protected:
    Plan plan() const {
        Plan made{.dir = path("above/cluster"), .nodes = 2, .passwords = make_passwords()};
        return made;
    }
    io::User owner() const { return {.name = "me", .home = "/", .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}; }
};

TEST_F(Directory, IsClosedToOthersAndKeepsWhatPeopleChanged) {
    const Plan made = plan();
    ASSERT_TRUE(make_cluster_directory(made, owner()));
    ASSERT_TRUE(write_cluster(made, owner()));
    for (const auto& each : fs::recursive_directory_iterator(made.dir)) {
        const auto others = each.status().permissions() & (fs::perms::group_all | fs::perms::others_all);
        EXPECT_EQ(others, fs::perms::none) << each.path();
    }
    std::ofstream(made.member(1).config_file()) << "mine";
    ASSERT_TRUE(write_cluster(made, owner()));
    std::ifstream file(made.member(1).config_file());
    std::string text;
    file >> text;
    EXPECT_EQ(text, "mine");
    auto loaded = load_plan(made.dir);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->passwords, made.passwords);
}

TEST_F(Directory, UndoTakesBackAllThatWasMadeAndNothingElse) {
    write("neighbour");
    const Plan made = plan();
    {
        const Undo undo(made.dir);
        ASSERT_TRUE(make_cluster_directory(made, owner()));
        ASSERT_TRUE(write_cluster(made, owner()));
    }
    EXPECT_FALSE(fs::exists(path("above")));
    EXPECT_TRUE(fs::exists(path("neighbour")));

    fs::create_directories(made.dir);
    {
        const Undo undo(made.dir);
        ASSERT_TRUE(write_cluster(made, owner()));
    }
    EXPECT_TRUE(fs::is_empty(made.dir));
    {
        Undo undo(made.dir);
        ASSERT_TRUE(write_cluster(made, owner()));
        undo.keep();
    }
    EXPECT_TRUE(fs::exists(made.plan_file()));
    {
        const Undo undo(made.dir);  // there was something before
    }
    EXPECT_TRUE(fs::exists(made.plan_file()));
}

TEST_F(Directory, HasOneLock) {
    const Plan made = plan();
    ASSERT_TRUE(make_cluster_directory(made, owner()));
    auto first = DirectoryLock::take(made);
    ASSERT_TRUE(first);
    auto second = DirectoryLock::take(made);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::conflict);
}

TEST_F(Directory, PasswordsAreNewEachTimeAndNeedNoQuoting) {
    const Passwords one = make_passwords(), two = make_passwords();
    EXPECT_NE(one.superuser, two.superuser);
    EXPECT_NE(one.superuser, one.replication);
    EXPECT_EQ(one.superuser.size(), 24u);
    for (const char c : one.superuser) EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)));
}

TEST_F(Directory, WithoutAClusterTheErrorSaysHowToMakeOne) {
    EXPECT_THAT(load_plan(dir_).error().message, HasSubstr("pgcastle up --dir " + dir_));
}

}  // namespace
}  // namespace castle::node
