#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <tuple>
#include <unordered_map>

namespace assay::control {

/// The order in which competing flows are served: start-time fair queueing (Goyal, Vin, Cheng 1996).
///
/// Each flow has a start tag S; served is the smallest S, which becomes the virtual time v, and the served
/// flow's tag moves to S + cost/weight. A flow that becomes active starts at max(v, its old tag): it gets no
/// credit for having been idle, it cannot shed a debt by leaving for a moment, and it waits for nobody who
/// came later. Over any interval in which two flows stay active, what they get per weight differs by at most
/// one largest cost per weight of each.
///
/// Every operation is O(log n). Key needs std::hash and ==.
template <class Key>
class fair_order {
public:
  fair_order() = default;
  fair_order(fair_order&&) noexcept = default;
  fair_order& operator=(fair_order&&) noexcept = default;

  bool empty() const noexcept { return active_.empty(); }

  /// @returns who is next, or nullptr. Valid until the next change.
  const Key* first() const noexcept { return active_.empty() ? nullptr : std::get<2>(*active_.begin()).key; }

  /// Lets @p key compete, or changes the weight of one that does. @param weight Above zero.
  void activate(const Key& key, double weight) {
    const auto [it, is_new] = flows_.try_emplace(key);
    auto& flow = it->second;
    flow.weight = weight;
    if (flow.active)
      return;
    if (is_new)
      flow.start = now_;
    else
      idle_.erase(rank_of(it));
    flow.start = std::max(flow.start, now_);
    flow.active = true;
    flow.turn = ++turns_;
    active_.insert(rank_of(it));
  }

  /// Takes @p key out of the competition.
  void deactivate(const Key& key) {
    const auto it = flows_.find(key);
    if (it == flows_.end() || !it->second.active)
      return;
    active_.erase(rank_of(it));
    it->second.active = false;
    if (!active_.empty()) {
      idle_.insert(rank_of(it));
      return forget_old();
    }
    // Nobody competes any more, so nobody owes anything; small tags also keep their precision.
    flows_.clear();
    idle_.clear();
    now_ = 0;
  }

  /// Books @p cost for serving @p key, which must be the first.
  void charge(const Key& key, double cost) {
    const auto it = flows_.find(key);
    if (it == flows_.end() || !it->second.active)
      return;
    auto& flow = it->second;
    active_.erase(rank_of(it));
    now_ = std::max(now_, flow.start);
    flow.start += cost / flow.weight;
    flow.turn = ++turns_;
    active_.insert(rank_of(it));
    forget_old();
  }

private:
  struct flow_state {
    double start = 0;
    double weight = 1;
    uint64_t turn = 0; ///< Equal tags are served in the order in which they arose.
    bool active = false;
  };
  using flow_map = std::unordered_map<Key, flow_state>;

  /// Points into the map, whose nodes do not move; compared by the numbers before it, which are unique.
  struct flow_pointer {
    const Key* key;
    friend bool operator<(flow_pointer, flow_pointer) noexcept { return false; }
  };
  using rank = std::tuple<double, uint64_t, flow_pointer>;

  static rank rank_of(typename flow_map::iterator it) noexcept {
    return {it->second.start, it->second.turn, flow_pointer{&it->first}};
  }

  /// An idle flow whose tag the virtual time has passed is no different from one never seen.
  void forget_old() {
    while (!idle_.empty() && std::get<0>(*idle_.begin()) <= now_) {
      const auto it = flows_.find(*std::get<2>(*idle_.begin()).key);
      idle_.erase(idle_.begin());
      flows_.erase(it);
    }
  }

  flow_map flows_;
  std::set<rank> active_;
  std::set<rank> idle_;
  double now_ = 0;
  uint64_t turns_ = 0;
};

} // namespace assay::control
