#include "core/store_identity.hpp"

#include <gtest/gtest.h>

namespace castle::core {
namespace {

StoreIdentity::Answer answer(std::uint64_t id, std::uint64_t term, std::int64_t revision, std::int64_t known) {
    return {id, term, Revision{revision}, Revision{known}};
}

TEST(StoreIdentity, CountsEachStoreThatIsNotTheOneOfBefore) {
    StoreIdentity store;
    EXPECT_EQ(store.incarnation(), 0u);
    EXPECT_FALSE(store.see(answer(7, 3, 100, 0)));
    EXPECT_EQ(store.incarnation(), 1u);
    EXPECT_FALSE(store.see(answer(7, 4, 100, 100)));  // an election
    EXPECT_FALSE(store.see(answer(7, 4, 110, 100)));
    EXPECT_FALSE(store.see(answer(7, 4, 105, 100)));  // asked before, came later
    EXPECT_EQ(store.revision(), Revision{110});
    EXPECT_TRUE(store.see(answer(7, 4, 109, 110)));  // put back
    EXPECT_EQ(store.revision(), Revision{109});
    EXPECT_TRUE(store.see(answer(8, 4, 500, 109)));  // another
    EXPECT_TRUE(store.see(answer(8, 2, 900, 500)));  // put back long ago, and others have gone on with it since
    EXPECT_EQ(store.incarnation(), 4u);
    EXPECT_EQ(store.revision(), Revision{900});
}

}  // namespace
}  // namespace castle::core
