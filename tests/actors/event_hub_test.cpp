#include "actors/monitoring/event_hub.hpp"

#include "tests/support/actor_fixture.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const run_id one_run{1'700'000'000U, 7U};

struct type_listener_state {
  std::vector<event_type> heard;
};

event_sink_actor::behavior_type type_listener(event_sink_actor::stateful_pointer<type_listener_state> self) {
  return {[self](const frame_batch& batch) {
    for (const auto& one : batch.frames)
      self->state.heard.push_back(one.type);
  }};
}

class event_hub_test : public test::actor_test {
protected:
  event_hub_actor hub = spawn(event_hub, event_hub_config{});
  event_sink_actor ear = spawn(type_listener);

  void SetUp() override {
    run();
    ASSERT_TRUE(ask<subscribed>(hub, subscribe{one_run, ear}).has_value());
  }

  void happens(event_type type) {
    tell(hub, publish_events{{event{one_run, ++seq_, type, {}, shared_text{"{}"}}}});
  }

  void progresses(run_state state = run_state::running) {
    run_record record;
    record.spec.id = one_run;
    record.state = state;
    tell(hub, publish_progress{record});
  }

  std::vector<event_type> heard() {
    advance(2s);
    return std::exchange(state_of<type_listener_state>(ear).heard, {});
  }

private:
  uint64_t seq_ = 0;
};

TEST_F(event_hub_test, SendsNoProgressAfterTheEnd) {
  happens(event_type::evaluation_started);
  progresses();
  EXPECT_THAT(heard(), ElementsAre(event_type::evaluation_started, event_type::evaluation_progress));
  progresses();
  progresses(); // Waits for its turn.
  happens(event_type::evaluation_completed);
  progresses();
  progresses(run_state::completed);
  const auto rest = heard();
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(rest.back(), event_type::evaluation_completed);
  progresses(run_state::completed);
  happens(event_type::log);
  progresses();
  EXPECT_THAT(heard(), ElementsAre(event_type::log)) << "a log line begins nothing";
}

TEST_F(event_hub_test, SendsProgressAgainAfterARetry) {
  happens(event_type::evaluation_failed);
  happens(event_type::evaluation_retried);
  progresses();
  EXPECT_THAT(heard(), ElementsAre(event_type::evaluation_failed, event_type::evaluation_retried,
                                   event_type::evaluation_progress));
}

TEST_F(event_hub_test, LeavesTheEndToItsEvent) {
  progresses(run_state::completed);
  EXPECT_THAT(heard(), ElementsAre());
}

TEST_F(event_hub_test, ForgetsASubscriberThatEnds) {
  ASSERT_EQ(state_of<event_hub_state>(hub).subscribers, 1u);
  kill(ear);
  EXPECT_EQ(state_of<event_hub_state>(hub).subscribers, 0u);
  EXPECT_TRUE(state_of<event_hub_state>(hub).channels.empty());
  EXPECT_TRUE(state_of<event_hub_state>(hub).watched.empty());
}

} // namespace
} // namespace assay
