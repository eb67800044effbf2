#include "protocol/errors.hpp"
#include "protocol/system.hpp"
#include "tests/protocol/sample_values.hpp"

#include <caf/actor_registry.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/deep_to_string.hpp>
#include <caf/event_based_actor.hpp>

#include <gtest/gtest.h>

namespace assay {
namespace {

using test::filler;
using test::first_difference;
using block = caf::id_block::assay;

/// Every type of the id block goes through CAF's wire form, so a message that is added to the block is tested
/// without another line here.
class round_trip : public ::testing::Test {
protected:
  protocol_config config_;
  caf::actor_system sys{config_};
  caf::actor someone = sys.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const std::string&) { self->quit(); }};
  });

  // Writing a handle registers its actor, and the registry keeps it alive.
  void TearDown() override {
    sys.registry().erase(someone.id());
    caf::anon_send_exit(someone, caf::exit_reason::user_shutdown);
  }

  filler values() const { return filler{caf::actor_cast<caf::strong_actor_ptr>(someone)}; }

  template <class T>
  std::vector<char> write(const T& x) {
    std::vector<char> bytes;
    caf::binary_serializer sink{sys, bytes};
    const auto error = sink(const_cast<T&>(x)); // NOLINT(cppcoreguidelines-pro-type-const-cast): CAF's way
    EXPECT_FALSE(error) << sys.render(error);
    return bytes;
  }

  template <class T>
  T read(const std::vector<char>& bytes) {
    T out{};
    caf::binary_deserializer source{sys, bytes};
    const auto error = source(out);
    EXPECT_FALSE(error) << sys.render(error);
    EXPECT_EQ(source.remaining(), 0u);
    return out;
  }

  template <class T>
  void expect_equal(const T& sent, const T& received) {
    EXPECT_EQ(first_difference(sent, received), "")
        << "sent " << caf::deep_to_string(sent) << "\nreceived " << caf::deep_to_string(received);
  }

  /// Calls @p visit.operator()<T>() for every type T of the block.
  template <class Visit>
  static void for_each_type(Visit visit) {
    [&]<caf::type_id_t... Is>(std::integer_sequence<caf::type_id_t, Is...>) {
      (visit.template operator()<typename caf::type_by_id<block::begin + Is>::type>(), ...);
    }
    (std::make_integer_sequence<caf::type_id_t, block::end - block::begin>{});
  }

  template <class T>
  static const char* name_of() {
    return caf::type_name_by_id<caf::type_id<T>::value>::value;
  }
};

TEST_F(round_trip, EveryMessageComesBackWithAllItsFields) {
  size_t types = 0;
  for_each_type([&]<class T>() {
    SCOPED_TRACE(name_of<T>());
    ++types;
    auto fill = values();
    const auto sent = fill.make<T>();
    if constexpr (!std::is_empty_v<T>) {
      EXPECT_NE(first_difference(sent, T{}), "") << "nothing was filled in";
    }
    const auto bytes = write(sent);
    const auto received = read<T>(bytes);
    expect_equal(sent, received);
    EXPECT_EQ(write(received), bytes);
  });
  EXPECT_EQ(types, static_cast<size_t>(block::end - block::begin));
  EXPECT_GE(types, 80u) << "the block has not gone missing";
}

TEST_F(round_trip, EveryMessageComesBackWhenNothingIsSet) {
  for_each_type([&]<class T>() {
    SCOPED_TRACE(name_of<T>());
    expect_equal(T{}, read<T>(write(T{})));
  });
}

/// As the middleman sends it: the receiver finds the type by its number.
TEST_F(round_trip, EveryMessageTravelsInAnEnvelope) {
  for_each_type([&]<class T>() {
    SCOPED_TRACE(name_of<T>());
    auto fill = values();
    const auto sent = fill.make<T>();
    const caf::message received = read<caf::message>(write(caf::make_message(sent)));
    ASSERT_TRUE((received.match_elements<T>())) << caf::to_string(received);
    expect_equal(sent, received.get_as<T>(0));
  });
}

/// Over an old value that the receiver reuses: absent members must become absent.
TEST_F(round_trip, AnUnsetMessageReplacesAFilledOne) {
  for_each_type([&]<class T>() {
    SCOPED_TRACE(name_of<T>());
    auto fill = values();
    auto target = fill.make<T>();
    const auto bytes = write(T{});
    caf::binary_deserializer source{sys, bytes};
    const auto error = source(target);
    EXPECT_FALSE(error) << sys.render(error);
    expect_equal(T{}, target);
  });
}

/// What another node sends may be cut or garbled: that is an error, never an exception or a wild read.
TEST_F(round_trip, ACutMessageIsAnError) {
  for_each_type([&]<class T>() {
    SCOPED_TRACE(name_of<T>());
    auto fill = values();
    const auto bytes = write(fill.make<T>());
    const size_t step = 1 + bytes.size() / 64;
    for (size_t size = 0; size < bytes.size(); size += step) {
      const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      T out{};
      caf::binary_deserializer source{sys, cut};
      EXPECT_NO_THROW(EXPECT_TRUE(source(out))) << size << " of " << bytes.size() << " bytes";
    }
  });
}

TEST_F(round_trip, ARunRecordThatIsNoneIsAnError) {
  for (const std::string text : {"", "no json", "[]", R"({"state":"flying"})", R"({"spec":{"tasks":7}})"}) {
    run_reported out;
    const auto bytes = write(text);
    caf::binary_deserializer source{sys, bytes};
    EXPECT_NO_THROW(EXPECT_TRUE(source(out))) << text;
  }
}

TEST_F(round_trip, AHandleLeadsToTheSameActor) {
  auto fill = values();
  const auto sent = fill.make<call_batch>();
  ASSERT_TRUE(sent.sink);
  EXPECT_EQ(read<call_batch>(write(sent)).sink.id(), someone.id());
}

TEST_F(round_trip, AFaultCrossesAsAnErrorWithItsContext) {
  const fault sent{errc::dataset_changed, "other rows", "data/x.jsonl", "restore the file"};
  EXPECT_EQ(to_fault(read<caf::error>(write(to_caf_error(sent)))), sent);
}

} // namespace
} // namespace assay
