#pragma once

#include "protocol/messages/monitoring.hpp"

#include <caf/result.hpp>
#include <caf/typed_response_promise.hpp>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

namespace assay {

/// How an actor answers read_gauges for others too: it asks all of them at once and answers when all have
/// answered, or when those that do not have used up their time. Use it inside the handler of read_gauges:
/// construct, ask(), and return answer().
template <class Self>
class gauge_round {
public:
  /// @param own What the actor has to say itself. @param patience How long the asker waits; those who are
  /// asked get three quarters of it.
  gauge_round(Self* self, gauges own, milliseconds patience)
      : self_(self), patience_(patience * 3 / 4),
        open_(
            std::make_shared<round>(round{self->template make_response_promise<gauges>(), std::move(own)})) {}

  /// Asks @p whom; an invalid handle, as between restarts, counts as silent.
  template <class Handle>
  void ask(const Handle& whom, const std::string& kind) {
    if (!whom) {
      ++open_->out.silent[kind];
      return;
    }
    ++open_->waiting_for;
    self_->request(whom, patience_, read_gauges{patience_})
        .then([open = open_](gauges& heard) { open->add(std::move(heard)); },
              [open = open_, kind](const caf::error&) {
                ++open->out.silent[kind];
                open->one_less();
              });
  }

  caf::result<gauges> answer() {
    auto promise = open_->promise;
    open_->one_less();
    return promise;
  }

private:
  struct round {
    caf::typed_response_promise<gauges> promise;
    gauges out;
    size_t waiting_for = 1; ///< One for the asking itself.

    void add(gauges&& heard) {
      std::move(heard.values.begin(), heard.values.end(), std::back_inserter(out.values));
      for (const auto& [kind, count] : heard.silent)
        out.silent[kind] += count;
      one_less();
    }
    void one_less() {
      if (--waiting_for == 0)
        promise.deliver(std::move(out));
    }
  };

  Self* self_;
  milliseconds patience_;
  std::shared_ptr<round> open_;
};

} // namespace assay
