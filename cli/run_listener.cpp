#include "cli/run_listener.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>

namespace assay::cli {

namespace {

constexpr seconds subscribe_timeout{5};

event_sink_actor::behavior_type listener(event_sink_actor::pointer, std::function<void()> on_news) {
  return {
      [on_news = std::move(on_news)](const frame_batch& batch) {
        const bool stored = std::any_of(batch.frames.begin(), batch.frames.end(), [](const frame& one) {
          return one.type != event_type::evaluation_progress && one.type != event_type::sample_completed;
        });
        if (stored)
          on_news();
      },
  };
}

} // namespace

run_listener::run_listener(farm& of, std::function<void()> on_news)
    : farm_(of), sink_(of.system().spawn(listener, std::move(on_news))) {}

run_listener::~run_listener() { caf::anon_send_exit(sink_, caf::exit_reason::user_shutdown); }

void run_listener::listen(run_id run) {
  const auto handles = farm_.handles();
  if (!handles)
    return;
  caf::scoped_actor self{farm_.system()};
  self->request(handles->event_hub, subscribe_timeout, subscribe{run, sink_})
      .receive(
          [](const subscribed&) {},
          [](const caf::error&) { spdlog::debug("cli hears no events and asks for the progress instead"); });
}

} // namespace assay::cli
