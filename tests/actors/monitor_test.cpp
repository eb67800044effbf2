#include "actors/monitoring/monitor.hpp"
#include "tests/support/actor_fixture.hpp"

namespace assay {
namespace {

class monitor_test : public test::actor_test {
protected:
  static call_observation seen(const std::string& provider, const std::string& model) {
    call_observation out;
    out.provider = provider_id{provider};
    out.model = model_id{model};
    out.duration = milliseconds{10};
    return out;
  }

  std::vector<model_statistics> read(const monitor_actor& from) {
    auto found = ask<statistics>(from, read_statistics{});
    EXPECT_TRUE(found.has_value());
    return found ? found->models : std::vector<model_statistics>{};
  }
};

TEST_F(monitor_test, OneModelOfTwoProvidersIsCountedTwice) {
  const auto monitor_of_two = spawn(monitor, monitor_config{});
  tell(monitor_of_two, observe_calls{{seen("a", "m"), seen("b", "m"), seen("a", "m")}});
  const auto models = read(monitor_of_two);
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].provider, provider_id{"a"});
  EXPECT_EQ(models[0].calls, 2u);
  EXPECT_EQ(models[1].provider, provider_id{"b"});
  EXPECT_EQ(models[1].calls, 1u);
}

TEST_F(monitor_test, NamesBeyondTheMostAreCountedTogether) {
  const auto bounded = spawn(monitor, monitor_config{2});
  for (int i = 0; i < 100; ++i)
    tell(bounded, observe_calls{{seen("p", "model-" + std::to_string(i))}});
  tell(bounded, observe_calls{{seen("p", "model-1")}});
  std::map<std::string, uint64_t> calls;
  for (const auto& model : read(bounded))
    calls[model.provider.value + "/" + model.model.value] = model.calls;
  EXPECT_EQ(calls,
            (std::map<std::string, uint64_t>{{"p/model-0", 1}, {"p/model-1", 2}, {"other/other", 98}}));
}

} // namespace
} // namespace assay
