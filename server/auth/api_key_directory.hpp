#pragma once

#include "core/control/gcra.hpp"
#include "core/values/errors.hpp"
#include "server/auth/api_keys.hpp"
#include "server/auth/documents.hpp"
#include "server/auth/permissions.hpp"
#include "server/auth/user_directory.hpp"
#include "server/clocks.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay::server {

/// Why a key has to wait, and how long.
struct api_key_wait {
  std::string what;
  seconds wait{0};
};

/// The API keys as they are stored, every change of them, and what each one has used. Used on the edge's
/// thread only.
class api_key_directory {
public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;
  using edit = std::function<result<void>(api_key_record&)>;

  /// @param users Outlives this.
  api_key_directory(std::shared_ptr<document_store> documents, const user_directory& users, clocks time);

  // -- callers ------------------------------------------------------------------------------------------

  /// @returns who sent @p key: its owner, with what both key and owner may do now. errc::unauthenticated with
  /// the reason for every key that is not good; the message never holds the key.
  result<principal> verify(std::string_view key);

  /// @returns whether this very key was good before, since the start.
  bool is_in_use(std::string_view key) const;

  /// @returns whether the key of that id would still be good.
  bool still_valid(const std::string& id) const;

  /// Counts a request of @p who against the limits of the key it came with. @returns what it has to wait for
  /// instead. Callers without a key have no limits here. Limits start full when the server starts.
  std::optional<api_key_wait> take_request(const principal& who);

  /// Counts tokens that a call in the name of the key has used; a negative number gives an estimate back. The
  /// next requests wait until the sum fits into tokens_per_minute again.
  void spend_tokens(const std::string& id, int64_t tokens);

  // -- keys ---------------------------------------------------------------------------------------------

  result<std::optional<api_key_record>> find(const std::string& id) const;
  /// @param owner Nothing: the keys of all users.
  awaitable<result<std::vector<api_key_record>>> list(std::optional<user_id> owner) const;

  /// @param wanted Owner, name, limits and the rest; what identifies the key is filled in.
  /// @returns errc::not_found for an unknown owner, or what draw_api_key() says.
  awaitable<result<new_api_key>> create(api_key_record wanted);

  /// @param change Applied to the key as it is stored; perhaps more than once.
  awaitable<result<api_key_record>> change(std::string id, edit change);
  awaitable<result<void>> remove(std::string id);

  /// Forgets what a removed key has used, and tells that it has ended.
  void forget(const std::string& id);

  /// Stores when keys were used last, as far as that is newer than what is stored. Called once a minute, so
  /// that no call waits for the disk because of it.
  awaitable<result<void>> write_last_uses();

  /// Called with the id of a key that was removed or disabled.
  std::function<void(const std::string& id)> on_key_end;

private:
  struct stored_key {
    api_key_record record;
    std::string text; ///< As stored: the condition of the next write.
  };

  /// One limit of a key, unless it has none.
  class limit {
  public:
    void set(uint64_t per_minute, std::chrono::steady_clock::time_point now);
    std::chrono::nanoseconds wait(std::chrono::steady_clock::time_point now) const;
    void take(int64_t units, std::chrono::steady_clock::time_point now);
    uint64_t per_minute() const noexcept { return bucket_ ? bucket_->limit() : 0; }

  private:
    std::optional<control::gcra_bucket> bucket_;
  };

  /// Of a key that was good since the start; so there are at most as many as keys.
  struct use {
    std::string digest;
    limit requests;
    limit tokens;
    wall_time last{};
    wall_time written{};
  };

  result<std::optional<stored_key>> load(const std::string& id) const;
  std::optional<fault> why_not(const api_key_record& key, const std::optional<user_record>& owner) const;
  void show_last_use(api_key_record& key) const;
  void ended(const std::string& id) const;

  std::shared_ptr<document_store> documents_;
  const user_directory& users_;
  clocks time_;
  std::unordered_map<std::string, use> uses_; ///< By id.
};

} // namespace assay::server
