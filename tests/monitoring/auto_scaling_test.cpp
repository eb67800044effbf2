#include "core/monitoring/auto_scaling.hpp"

#include <gtest/gtest.h>

namespace assay::monitoring {
namespace {

using namespace std::chrono_literals;

const provider_id the_provider{"p"};
const model_id the_model{"m"};
constexpr wall_time noon{1'704'110'400s};

std::vector<recommendation> asking(double factor, const std::string& reason = "too slow") {
  recommendation out;
  out.action = factor < 1 ? "reduce_concurrency" : "increase_concurrency";
  out.provider = the_provider;
  out.model = the_model;
  out.reason = reason;
  out.concurrency_factor = factor;
  return {out};
}

class auto_scaling : public ::testing::Test {
protected:
  scaled_models shares;
  scaling_rules rules;
  wall_time now = noon;

  std::vector<scaling_step> look(const std::vector<recommendation>& asked) {
    return scale(shares, asked, {}, rules, now);
  }
  double share() const {
    const auto found = shares.find({the_provider, the_model});
    return found == shares.end() ? 1 : found->second.share;
  }
};

TEST_F(auto_scaling, AppliesAFactorOnceAndThenRests) {
  const auto steps = look(asking(0.5));
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].before, 1);
  EXPECT_EQ(steps[0].after, 0.5);
  EXPECT_EQ(steps[0].reason, "too slow");
  now += 299s;
  EXPECT_TRUE(look(asking(0.5)).empty()) << "the same five minutes ask again";
  now += 1s;
  look(asking(0.5));
  EXPECT_EQ(share(), 0.25);
}

TEST_F(auto_scaling, TheSmallestFactorCounts) {
  auto both = asking(0.9);
  both.push_back(asking(0.6, "many failures").front());
  EXPECT_EQ(look(both).at(0).reason, "many failures");
  EXPECT_DOUBLE_EQ(share(), 0.6);
}

TEST_F(auto_scaling, NeverGoesBelowTheLeastNorByMoreThanHalfAtOnce) {
  look(asking(0.01));
  EXPECT_EQ(share(), lowest_factor);
  for (int i = 0; i < 20; ++i) {
    now += 300s;
    look(asking(0.5));
  }
  EXPECT_EQ(share(), rules.least_share);
  now += 300s;
  EXPECT_TRUE(look(asking(0.5)).empty()) << "no change, no news";
}

TEST_F(auto_scaling, ComesBackInStepsAndNeverOverTheConfiguration) {
  look(asking(0.5));
  std::vector<double> seen;
  for (int i = 0; i < 5; ++i) {
    now += 300s;
    look({});
    seen.push_back(share());
  }
  EXPECT_EQ(seen, (std::vector<double>{0.625, 0.78125, 0.9765625, 1, 1}));
  EXPECT_TRUE(shares.empty()) << "a model that is whole is forgotten";
  EXPECT_TRUE(look(asking(1.25)).empty()) << "more is the configuration's own";
}

TEST_F(auto_scaling, AClockThatWasSetBackEndsTheRest) {
  look(asking(0.5));
  now -= 3600s;
  EXPECT_EQ(look(asking(0.5)).size(), 1u);
}

TEST_F(auto_scaling, AdviceOnOtherThingsChangesNothing) {
  recommendation key;
  key.action = "add_key";
  key.provider = the_provider;
  key.model = the_model;
  EXPECT_TRUE(look({key}).empty());
  EXPECT_TRUE(shares.empty());
}

} // namespace
} // namespace assay::monitoring
