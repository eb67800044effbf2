#pragma once

#include "protocol/actors.hpp"
#include "protocol/errors.hpp"
#include "protocol/system.hpp"

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace assay::test {

struct simulated_config : protocol_config {
  simulated_config() {
    set("scheduler.policy", caf::atom("testing"));
    set("logger.console", caf::atom("none"));
  }
};

/// A single-threaded actor system: nothing runs until run(), time moves only by advance().
class actor_test : public ::testing::Test {
protected:
  simulated_config config_;
  caf::actor_system sys{config_};
  caf::scheduler::test_coordinator& sched = dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());
  caf::scoped_actor self{sys, true};

  // Deadlines count from a time that is not zero, as on a real machine.
  actor_test() { sched.clock().current_time += std::chrono::hours{1}; }

  std::chrono::steady_clock::time_point now() const { return sched.clock().current_time; }

  /// Runs every ready actor; fires no timeout. @returns how many steps ran.
  size_t run() {
    size_t steps = 0;
    while (sched.try_run_once())
      ++steps;
    return steps;
  }

  /// Moves time in small steps, so that timers set by timers fire at their own time.
  void advance(std::chrono::milliseconds time,
               std::chrono::milliseconds step = std::chrono::milliseconds{10}) {
    run();
    while (time.count() > 0) {
      const auto part = std::min(time, step);
      sched.advance_time(part);
      run();
      time -= part;
    }
  }

  /// Looks inside an actor; safe because nothing runs at the same time.
  template <class State, class Handle>
  State& state_of(const Handle& handle) {
    using base = typename Handle::template stateful_base<State>;
    return dynamic_cast<base&>(*caf::actor_cast<caf::abstract_actor*>(handle)).state;
  }

  template <class... Ts>
  auto spawn(Ts&&... arguments) {
    auto handle = sys.spawn(std::forward<Ts>(arguments)...);
    spawned_.push_back(caf::actor_cast<caf::strong_actor_ptr>(handle));
    return handle;
  }

  template <class Handle, class Message>
  void tell(const Handle& target, Message&& message) {
    caf::anon_send(target, std::forward<Message>(message));
    run();
  }

  template <class Handle>
  void kill(const Handle& target, caf::exit_reason reason = caf::exit_reason::kill) {
    caf::anon_send_exit(target, reason);
    run();
  }

  /// Asks and never blocks: no answer by now is a time-out.
  template <class Answer, class Handle, class Message>
  result<Answer> ask(const Handle& target, Message&& message) {
    auto pending = self->request(target, caf::infinite, std::forward<Message>(message));
    run();
    result<Answer> out = fault{errc::deadline_exceeded, "no answer", {}, {}};
    if (self->mailbox().empty())
      return out;
    pending.receive([&](Answer& answer) { out = std::move(answer); },
                    [&](const caf::error& reason) { out = to_fault(reason); });
    return out;
  }

  // Pending timers and stored promises hold strong references, and ~actor_system waits for every actor.
  void TearDown() override {
    for (const auto& actor : spawned_)
      caf::anon_send_exit(caf::actor_cast<caf::actor>(actor), caf::exit_reason::kill);
    spawned_.clear();
    run();
  }

private:
  std::vector<caf::strong_actor_ptr> spawned_;
};

/// An actor that keeps what it is sent, for the test to look at.
template <class Message>
struct recorder_state {
  std::vector<Message> messages;
};

} // namespace assay::test
