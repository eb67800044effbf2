#include "server/auth/attempt_limiter.hpp"
#include "server/auth/web_socket_tickets.hpp"

#include <gtest/gtest.h>

using namespace assay;
using namespace assay::server;

namespace {

struct moved_clock {
  std::chrono::steady_clock::time_point now{std::chrono::hours{1}};
  attempt_limiter::clock read() {
    return [this] { return now; };
  }
};

} // namespace

TEST(attempt_limiter, LetsABurstThroughThenOneAtATime) {
  moved_clock clock;
  attempt_limiter limiter{{3, seconds{10}, 100}, clock.read()};
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(limiter.take("a"));
  EXPECT_EQ(limiter.take("a"), seconds{10});
  EXPECT_FALSE(limiter.take("b")) << "others are not concerned";
  clock.now += seconds{9};
  EXPECT_EQ(limiter.take("a"), seconds{1});
  clock.now += seconds{1};
  EXPECT_FALSE(limiter.take("a"));
  EXPECT_TRUE(limiter.take("a"));
}

TEST(attempt_limiter, GivesSuccessesBack) {
  moved_clock clock;
  attempt_limiter limiter{{2, seconds{10}, 100}, clock.read()};
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(limiter.take("a"));
    limiter.forgive("a");
  }
}

TEST(attempt_limiter, DoesNotForgetTheGuiltyForTheNew) {
  moved_clock clock;
  attempt_limiter limiter{{1, seconds{10}, 2}, clock.read()};
  EXPECT_FALSE(limiter.take("a"));
  EXPECT_FALSE(limiter.take("b"));
  EXPECT_TRUE(limiter.take("c")) << "no room for another one";
  EXPECT_TRUE(limiter.take("a"));
  clock.now += seconds{10};
  EXPECT_FALSE(limiter.take("c"));
}

TEST(web_socket_tickets, AreGoodOnceAndForHalfAMinute) {
  moved_clock clock;
  web_socket_tickets tickets{clock.read()};
  principal who;
  who.id = user_id{"ada"};
  const auto first = tickets.issue(who);
  const auto second = tickets.issue(who);
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  EXPECT_EQ(tickets.redeem(*first)->id.value, "ada");
  EXPECT_FALSE(tickets.redeem(*first));
  EXPECT_FALSE(tickets.redeem("guess"));
  clock.now += seconds{30};
  EXPECT_FALSE(tickets.redeem(*second));
}
