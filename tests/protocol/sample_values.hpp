#pragma once

#include "protocol/actors.hpp"

#include <caf/actor_cast.hpp>
#include <caf/is_typed_actor.hpp>

#include <boost/pfr.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

/// Fills and compares messages field by field, without asking their inspect functions: a field that an
/// inspect function forgets is set here, does not travel, and is found missing at the other end.
namespace assay::test {

template <class T, template <class...> class Pattern>
struct is_made_of : std::false_type {};
template <template <class...> class Pattern, class... Ts>
struct is_made_of<Pattern<Ts...>, Pattern> : std::true_type {};

template <class T>
concept duration_like = requires {
  typename T::rep;
  typename T::period;
}
&&!requires { typename T::clock; };
template <class T>
concept time_point_like = requires {
  typename T::clock;
  typename T::duration;
};
template <class T>
concept id_like = requires(T x) {
  x.value;
}
&&!std::is_aggregate_v<T>;

/// Another node's steady clock has another origin, so a point of it means nothing in a message.
template <class T>
requires std::is_same_v<typename T::clock, std::chrono::system_clock>
using wall_point = T;

/// Sets every member of a message to a value of its own that is not the default.
class filler {
public:
  /// @param someone The actor behind every handle.
  explicit filler(caf::strong_actor_ptr someone) : someone_(std::move(someone)) {}

  template <class T>
  T make() {
    T out{};
    fill(out);
    return out;
  }

private:
  template <class T>
  void fill(T& x) {
    if constexpr (std::is_same_v<T, bool>)
      x = !x;
    else if constexpr (std::is_enum_v<T>)
      x = word(x);
    else if constexpr (std::is_arithmetic_v<T>)
      x = static_cast<T>(next() + (std::is_floating_point_v<T> ? 0.25 : 0));
    else if constexpr (std::is_same_v<T, std::string>)
      x = text();
    else if constexpr (std::is_same_v<T, shared_text>)
      x = shared_text{text()};
    else if constexpr (std::is_same_v<T, run_id>)
      // Written out, a run's id has ten digits and eight hexadecimal ones.
      x = run_id{1'700'000'000U + next(), next()};
    else if constexpr (duration_like<T>)
      x = T{next()};
    else if constexpr (time_point_like<T>)
      x = T{typename wall_point<T>::duration{next()}};
    else if constexpr (caf::is_typed_actor<T>::value)
      x = caf::actor_cast<T>(someone_);
    else if constexpr (id_like<T>)
      fill(x.value);
    else
      fill_composed(x);
  }

  template <class T>
  void fill_composed(T& x) {
    if constexpr (is_made_of<T, std::optional>::value) {
      fill(x.emplace());
    } else if constexpr (is_made_of<T, std::shared_ptr>::value) {
      x = std::make_shared<typename T::element_type>(make<std::remove_const_t<typename T::element_type>>());
    } else if constexpr (is_made_of<T, std::vector>::value) {
      for (int i = 0; i < 2; ++i)
        fill(x.emplace_back());
    } else if constexpr (is_made_of<T, std::map>::value) {
      for (int i = 0; i < 2; ++i)
        x.emplace(make<typename T::key_type>(), make<typename T::mapped_type>());
    } else if constexpr (is_made_of<T, std::pair>::value) {
      fill(x.first);
      fill(x.second);
    } else {
      static_assert(std::is_aggregate_v<T>, "say here how such a member is filled");
      boost::pfr::for_each_field(x, [this](auto& field) { fill(field); });
    }
  }

  static call_way word(call_way) { return call_way::batch; }
  static execution_wish word(execution_wish) { return execution_wish::automatic; }
  static call_kind word(call_kind) { return call_kind::embed; }
  static errc word(errc) { return errc::rate_limited; }
  static chat_role word(chat_role) { return chat_role::assistant; }
  static answer_form word(answer_form) { return answer_form::json_schema; }
  static route_strategy word(route_strategy) { return route_strategy::quality_first; }
  static finish_reason word(finish_reason) { return finish_reason::length; }
  static sample_status word(sample_status) { return sample_status::failed; }
  static event_type word(event_type) { return event_type::evaluation_failed; }
  static sandbox_end word(sandbox_end) { return sandbox_end::memory_limit; }
  static run_state word(run_state) { return run_state::paused; }
  static metric word(metric) { return metric::http_requests_total; }
  static cache_use word(cache_use) { return cache_use::rewrite; }
  static run_verb word(run_verb) { return run_verb::cancel; }
  static monitoring::window_span word(monitoring::window_span) { return monitoring::window_span::day; }
  static monitoring::alert_kind word(monitoring::alert_kind) { return monitoring::alert_kind::cost_per_hour; }
  static monitoring::alert_state word(monitoring::alert_state) { return monitoring::alert_state::resolved; }
  static monitoring::wait_half word(monitoring::wait_half) { return monitoring::wait_half::longer; }
  static control::retry_strategy word(control::retry_strategy) { return control::retry_strategy::immediate; }
  static run_kind word(run_kind) { return run_kind::llm_batch; }
  static ab_verb word(ab_verb) { return ab_verb::analyze; }
  static experiment_verb word(experiment_verb) { return experiment_verb::cancel; }
  static schedule_verb word(schedule_verb) { return schedule_verb::pause; }

  uint32_t next() { return ++last_; }

  std::string text() { return "\xC3\xA4 \"text\" " + std::to_string(next()) + std::string(1, '\0') + "\n"; }

  caf::strong_actor_ptr someone_;
  uint32_t last_ = 16;
};

/// @returns the path of the first member in which @p a and @p b differ, as numbers; empty when none does.
template <class T>
std::string first_difference(const T& a, const T& b) {
  const auto verdict = [](bool same) { return same ? std::string{} : std::string{"."}; };
  if constexpr (is_made_of<T, std::optional>::value) {
    if (a.has_value() != b.has_value())
      return ".present";
    return a ? first_difference(*a, *b) : std::string{};
  } else if constexpr (is_made_of<T, std::shared_ptr>::value) {
    if ((a == nullptr) != (b == nullptr))
      return ".present";
    return a ? first_difference(*a, *b) : std::string{};
  } else if constexpr (is_made_of<T, std::vector>::value) {
    if (a.size() != b.size())
      return ".size";
    for (size_t i = 0; i < a.size(); ++i)
      if (auto found = first_difference(a[i], b[i]); !found.empty())
        return "[" + std::to_string(i) + "]" + found;
    return {};
  } else if constexpr (is_made_of<T, std::pair>::value) {
    auto found = first_difference(a.first, b.first);
    return found.empty() ? first_difference(a.second, b.second) : found;
  } else if constexpr (is_made_of<T, std::map>::value || caf::is_typed_actor<T>::value
                       || !std::is_aggregate_v<T>) {
    return verdict(a == b);
  } else {
    std::string found;
    boost::pfr::for_each_field(a, [&](const auto& field, auto index) {
      if (!found.empty())
        return;
      auto inner = first_difference(field, boost::pfr::get<decltype(index)::value>(b));
      if (!inner.empty())
        found = "." + std::to_string(index) + (inner == "." ? "" : inner);
    });
    return found;
  }
}

} // namespace assay::test
