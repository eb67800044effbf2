#pragma once

#include "core/control/fair_order.hpp"
#include "core/values/ids.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace assay::control {

/// Whose item it is and how much it counts.
template <class Tenant = user_id, class Run = run_id>
struct fair_key {
  Tenant tenant{};
  uint32_t tenant_weight = 1; ///< Share against other tenants; 0 counts as 1.
  Run run{};
  uint32_t run_weight = 1; ///< Share against runs of equal priority of the tenant; 0 counts as 1.
  int32_t priority = 0;    ///< Higher first, strictly, within the tenant only.
  /// What serving it takes, in any unit that is the same for all items (calls, tokens, seconds).
  double cost = 1;
};

/// A waiting line that is fair between tenants by weight, then strict by priority within a tenant, then fair
/// by weight between the tenant's runs of equal priority, then first come, first served. See fair_order for
/// what fair means. Every operation is O(log n) in tenants and runs and does not depend on the number of
/// items.
///
/// A run belongs to the tenant under which its first waiting item came. The weights and the priority of the
/// newest item hold for the whole run.
template <class T, class Tenant = user_id, class Run = run_id>
class fair_queue {
public:
  using key_type = fair_key<Tenant, Run>;

  explicit fair_queue(size_t capacity) : capacity_(capacity) {}

  /// @returns false, leaving @p item as it was, when the line is full.
  [[nodiscard]] bool push(T&& item, const key_type& key) {
    if (size_ >= capacity_)
      return false;
    add(key).fresh.push_back({std::move(item), sane(key.cost)});
    return true;
  }

  /// Puts an item that was popped before ahead of its run's waiting items, behind those put back earlier. It
  /// is never refused: it had its place, and losing it would lose a call. Pass the cost 0 when its first pop
  /// is to stay the only one that counts.
  void push_front(T&& item, const key_type& key) {
    add(key).again.push_back({std::move(item), sane(key.cost)});
  }

  /// @returns what pop() would return, or nullptr. Valid until the next change.
  const T* front() const {
    const Tenant* tenant = tenants_.first();
    if (!tenant)
      return nullptr;
    const auto& node = runs_.at(*tenant_nodes_.at(*tenant).levels.begin()->second.first());
    return &(node.again.empty() ? node.fresh : node.again).front().item;
  }

  /// @returns the next item; nothing when no item waits or all that wait belong to paused runs.
  std::optional<T> pop() {
    if (tenants_.empty())
      return std::nullopt;
    const Tenant tenant = *tenants_.first();
    auto& level = tenant_nodes_.at(tenant).levels.begin()->second;
    const Run run = *level.first();
    auto& node = runs_.at(run);
    auto& line = node.again.empty() ? node.fresh : node.again;
    auto entry = std::move(line.front());
    line.pop_front();
    --size_;
    tenants_.charge(tenant, entry.cost);
    level.charge(run, entry.cost);
    if (node.size() == 0) {
      delist(run, node);
      runs_.erase(run);
    }
    return std::move(entry.item);
  }

  /// Takes all items of @p run out, those put back first, and forgets whether it was paused.
  std::vector<T> remove_run(const Run& run) {
    std::vector<T> items;
    const auto it = runs_.find(run);
    if (it == runs_.end())
      return items;
    delist(run, it->second);
    items.reserve(it->second.size());
    for (auto* line : {&it->second.again, &it->second.fresh})
      for (auto& entry : *line)
        items.push_back(std::move(entry.item));
    size_ -= items.size();
    runs_.erase(it);
    return items;
  }

  /// Takes one item of @p run out. Looks through all that the run has. @returns whether it was there.
  bool remove(const Run& run, const T& item) {
    const auto it = runs_.find(run);
    if (it == runs_.end())
      return false;
    auto& node = it->second;
    for (auto* line : {&node.again, &node.fresh}) {
      const auto found =
          std::find_if(line->begin(), line->end(), [&](const entry& one) { return one.item == item; });
      if (found == line->end())
        continue;
      line->erase(found);
      --size_;
      if (node.size() > 0)
        return true;
      delist(run, node);
      if (!node.paused)
        runs_.erase(it);
      return true;
    }
    return false;
  }

  /// The items of @p run, present and future, keep their places but are skipped until resume_run() or
  /// remove_run().
  void pause_run(const Run& run) {
    auto& node = runs_[run];
    delist(run, node);
    node.paused = true;
  }

  void resume_run(const Run& run) {
    const auto it = runs_.find(run);
    if (it == runs_.end() || !it->second.paused)
      return;
    it->second.paused = false;
    if (it->second.size() == 0)
      runs_.erase(it);
    else
      enlist(run, it->second);
  }

  bool is_paused(const Run& run) const {
    const auto it = runs_.find(run);
    return it != runs_.end() && it->second.paused;
  }

  /// Items of paused runs included.
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  size_t capacity() const noexcept { return capacity_; }

  size_t size_of(const Run& run) const {
    const auto it = runs_.find(run);
    return it == runs_.end() ? 0 : it->second.size();
  }

private:
  struct entry {
    T item;
    double cost;
  };

  struct run_node {
    Tenant tenant{};
    double tenant_weight = 1;
    double weight = 1;
    int32_t priority = 0;
    bool paused = false;
    bool listed = false; ///< Competes for service.
    std::deque<entry> again;
    std::deque<entry> fresh;

    size_t size() const noexcept { return again.size() + fresh.size(); }
  };

  struct tenant_node {
    std::map<int32_t, fair_order<Run>, std::greater<>> levels; ///< By priority; none is empty.
  };

  static double sane(double cost) noexcept { return cost > 0 ? cost : 0; }

  /// Makes room for one more item of the key's run, which the caller adds at once.
  run_node& add(const key_type& key) {
    auto& node = runs_[key.run];
    if (node.size() == 0)
      node.tenant = key.tenant;
    if (node.listed && node.priority != key.priority)
      delist(key.run, node);
    node.priority = key.priority;
    node.weight = std::max<uint32_t>(key.run_weight, 1);
    node.tenant_weight = std::max<uint32_t>(key.tenant_weight, 1);
    ++size_;
    if (!node.paused)
      enlist(key.run, node);
    return node;
  }

  void enlist(const Run& run, run_node& node) {
    tenant_nodes_[node.tenant].levels[node.priority].activate(run, node.weight);
    tenants_.activate(node.tenant, node.tenant_weight);
    node.listed = true;
  }

  void delist(const Run& run, run_node& node) {
    if (!node.listed)
      return;
    node.listed = false;
    const auto tenant = tenant_nodes_.find(node.tenant);
    const auto level = tenant->second.levels.find(node.priority);
    level->second.deactivate(run);
    if (level->second.empty())
      tenant->second.levels.erase(level);
    if (tenant->second.levels.empty()) {
      tenants_.deactivate(node.tenant);
      tenant_nodes_.erase(tenant);
    }
  }

  size_t capacity_;
  size_t size_ = 0;
  std::unordered_map<Run, run_node> runs_;
  std::unordered_map<Tenant, tenant_node> tenant_nodes_;
  fair_order<Tenant> tenants_;
};

} // namespace assay::control
