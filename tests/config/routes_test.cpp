#include "tests/config/support.hpp"

#include <gmock/gmock.h>

namespace assay::config {
namespace {

using testing::HasSubstr;

class routes : public test::config_test {
protected:
  static std::vector<std::string> names(const call_route& route) {
    std::vector<std::string> out;
    for (const auto& one : route.models)
      out.push_back(one.provider.value + "/" + one.model.value);
    return out;
  }
};

TEST_F(routes, AreAskedForLikeModels) {
  file("local.yaml", "models:\n  careful: {provider: mock, model: sim-strong, weight: 3, quality: 0.9}\n"
                     "routes:\n  either:\n    strategy: weighted_random\n    models: [careful, sim-weak]\n");
  const auto found = resolve_model(loaded(), "either");
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_EQ(found->model.id.value, "either");
  EXPECT_EQ(found->model.route.strategy, route_strategy::weighted_random);
  EXPECT_THAT(names(found->model.route), testing::ElementsAre("mock/careful", "mock/sim-weak"));
  EXPECT_EQ(found->model.route.models[0].wire_model, "sim-strong");
  EXPECT_EQ(found->model.route.models[0].weight, 3u);
  EXPECT_EQ(found->model.route.models[0].quality, 0.9);
  EXPECT_EQ(found->model.route.models[1].weight, 1u);
}

TEST_F(routes, AreNotTakenForTheirFirstModel) {
  file("local.yaml", "routes:\n  either: {models: [sim-p100, sim-weak]}\n"
                     "models:\n  safe: {provider: mock, model: sim-p90, fallbacks: [sim-weak]}\n");
  for (const auto* name : {"sim-p100", "mock/sim-p100"}) {
    const auto found = resolve_model(loaded(), name);
    ASSERT_TRUE(found) << to_string(found.error());
    EXPECT_EQ(found->model.wire_model, "sim-p100");
    EXPECT_NE(found->model.id.value, "either");
    EXPECT_TRUE(found->model.route.models.empty());
  }
  const auto found = resolve_model(loaded(), "mock/sim-p90");
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_EQ(found->model.id.value, "safe") << "a model with fallbacks is one, however it is asked for";
}

TEST_F(routes, FallbacksFollowTheirModelInOrder) {
  file("local.yaml",
       "models:\n  first: {provider: mock, model: sim-strong, fallbacks: [sim-fast, sim-weak]}\n");
  const auto found = resolve_model(loaded(), "first");
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_EQ(found->model.route.strategy, route_strategy::in_order);
  EXPECT_THAT(names(found->model.route),
              testing::ElementsAre("mock/first", "mock/sim-fast", "mock/sim-weak"));
}

TEST_F(routes, TwoModelsMayFallBackOnEachOther) {
  file("local.yaml", "models:\n  a: {provider: mock, model: sim-strong, fallbacks: [b]}\n"
                     "  b: {provider: mock, model: sim-weak, fallbacks: [a]}\n");
  const auto values = loaded();
  EXPECT_THAT(names(resolve_model(values, "a")->model.route), testing::ElementsAre("mock/a", "mock/b"));
  EXPECT_THAT(names(resolve_model(values, "b")->model.route), testing::ElementsAre("mock/b", "mock/a"));
}

TEST_F(routes, MistakesAreNamedWithTheirPlace) {
  const auto wrong = [&](const std::string& text) {
    file("local.yaml", text);
    const auto loaded = load(request);
    return loaded ? std::string("no error") : to_string(loaded.error());
  };
  EXPECT_THAT(wrong("routes: {r: {models: [nobody-knows-this]}}\n"),
              testing::AllOf(HasSubstr("local.yaml:1"), HasSubstr("routes.r.models"),
                             HasSubstr("nobody-knows-this")));
  EXPECT_THAT(wrong("routes: {r: {models: []}}\n"), HasSubstr("needs models"));
  EXPECT_THAT(wrong("routes: {r: {models: [sim-weak, sim-weak]}}\n"), HasSubstr("named twice"));
  EXPECT_THAT(wrong("routes: {sim-weak: {models: [sim-strong]}}\n"), HasSubstr("already"));
  EXPECT_THAT(wrong("routes: {r: {strategy: best, models: [sim-strong]}}\n"), HasSubstr("best"));
  EXPECT_THAT(wrong("models: {m: {provider: mock, model: sim-weak, fallbacks: [nobody-knows-this]}}\n"),
              HasSubstr("models.m.fallbacks"));
}

} // namespace
} // namespace assay::config
