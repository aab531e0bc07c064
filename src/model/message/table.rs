//! How the table of messages is made into types: the macros that `model::message` uses.
//!
//! `rpcs!` takes a row per kind of list entry and a row per API, and makes the pools of lists and
//! the enum of all messages, with everything that depends on the kind of a message. `message!`
//! takes the struct of one message and `entry!` the struct of what a list holds, and derive from
//! the fields what must be known of each. A kind or a field that is forgotten anywhere does not
//! compile. Knows no message.

/// Makes the enum `Content`, the pools `Lists` and the dispatch patterns of a table.
macro_rules! rpcs {
    (
        lists { $($pool:ident: $entry:ty,)* }
        served by all { $($row:tt)* }
        served by brokers { $($broker_row:tt)* }
        served by controllers { $($controller_row:tt)* }
    ) => {
        rpcs! { @lists $($pool: $entry,)* }
        rpcs! { @enum $($row)* $($broker_row)* $($controller_row)* }
        rpcs! { @patterns broker_request $($broker_row)* }
        rpcs! { @patterns controller_request $($controller_row)* }
    };
    (@lists $($pool:ident: $entry:ty,)*) => {
        /// The lists of all messages, in a pool per kind of entry.
        #[derive(Clone, Debug, Default)]
        pub struct Lists { $($pool: Pool<$entry>,)* }

        $(
            impl Holds<$entry> for Lists {
                #[inline]
                fn pool(&self) -> &Pool<$entry> {
                    &self.$pool
                }

                #[inline]
                fn pool_mut(&mut self) -> &mut Pool<$entry> {
                    &mut self.$pool
                }
            }
        )*

        impl Lists {
            /// An empty list.
            pub fn take<T: Entry>(&mut self) -> List<T>
            where
                Self: Holds<T>,
            {
                self.pool_mut().take()
            }

            /// Appends to a list.
            ///
            /// Speed: inline, so that an entry is made where it will lie.
            #[inline]
            pub fn push<T: Entry>(&mut self, list: List<T>, entry: T)
            where
                Self: Holds<T>,
            {
                self.pool_mut().push(list, entry);
            }

            /// The entries of a list.
            #[must_use]
            #[inline]
            pub fn get<T: Entry>(&self, list: List<T>) -> &[T]
            where
                Self: Holds<T>,
            {
                self.pool().get(list)
            }

            /// Changes the entry at this place, if there is one. It must not become longer or
            /// shorter on the wire.
            pub fn change<T: Entry>(
                &mut self,
                list: List<T>,
                place: usize,
                change: impl FnOnce(&mut T),
            ) where
                Self: Holds<T>,
            {
                self.pool_mut().change(list, place, change);
            }

            /// Gives a list back. It must not be used afterwards.
            pub fn give_back<T: Entry>(&mut self, list: List<T>)
            where
                Self: Holds<T>,
            {
                self.pool_mut().give_back(list);
            }

            /// How many lists are in use: none when nothing is in flight and nothing is parked.
            #[must_use]
            pub fn in_use(&self) -> usize {
                0 $(+ self.$pool.in_use())*
            }
        }
    };
    (@enum $(
        $name:literal in $file:ident:
            $request:ident($lane:ident, $cost:ident, $appends:ident)
                => $response:ident($answer_lane:ident, $answer_appends:ident);
    )*) => {
        $(pub use $file::{$request, $response};)*

        /// What a message says. Requests, each followed by its response.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Content {
            $(
                #[doc = concat!("`", stringify!($request), "`.")]
                $request($request),
                #[doc = concat!("`", stringify!($response), "`.")]
                $response($response),
            )*
        }

        $(
            impl From<$request> for Content {
                #[inline]
                fn from(request: $request) -> Self {
                    Self::$request(request)
                }
            }

            impl From<$response> for Content {
                #[inline]
                fn from(response: $response) -> Self {
                    Self::$response(response)
                }
            }
        )*

        /// What depends on the kind of a message alone.
        impl Content {
            /// Kafka's name of the API for a request, and of the response, for traces.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(
                        Self::$request(_) => $name,
                        Self::$response(_) => concat!($name, "Response"),
                    )*
                }
            }

            /// Whether it is a request, which slow processing delays.
            #[must_use]
            pub const fn is_request(&self) -> bool {
                match self {
                    $(
                        Self::$request(_) => true,
                        Self::$response(_) => false,
                    )*
                }
            }

            /// The lane that works on it, at a broker.
            #[must_use]
            pub const fn lane(&self) -> Lane {
                match self {
                    $(
                        Self::$request(_) => Lane::$lane,
                        Self::$response(_) => Lane::$answer_lane,
                    )*
                }
            }

            /// Which service time handling it takes.
            #[must_use]
            pub const fn cost(&self) -> Cost {
                match self {
                    $(
                        Self::$request(_) => Cost::$cost,
                        Self::$response(_) => Cost::Response,
                    )*
                }
            }

            /// What its handler appends to a log.
            #[must_use]
            pub const fn appends(&self) -> Appends {
                match self {
                    $(
                        Self::$request(_) => Appends::$appends,
                        Self::$response(_) => Appends::$answer_appends,
                    )*
                }
            }

            /// The number of its kind in digests.
            const fn number(&self) -> u64 {
                enum Number { $($request, $response,)* }
                match self {
                    $(
                        Self::$request(_) => Number::$request as u64,
                        Self::$response(_) => Number::$response as u64,
                    )*
                }
            }
        }

        /// What depends on its fields and lists.
        impl Content {
            /// What it says, kind, fields and lists: part of every fingerprint.
            #[must_use]
            pub fn word(&self, lists: &Lists) -> u64 {
                let said = match self {
                    $(
                        Self::$request(request) => request.word(lists),
                        Self::$response(response) => response.word(lists),
                    )*
                };
                $crate::base::rng::stir(self.number(), said)
            }

            /// Bytes of its lists on the wire.
            #[must_use]
            pub fn wire_bytes(&self, lists: &Lists) -> u64 {
                match self {
                    $(
                        Self::$request(request) => request.wire_bytes(lists),
                        Self::$response(response) => response.wire_bytes(lists),
                    )*
                }
            }

            /// Whether it holds records.
            #[must_use]
            pub fn holds_records(&self, lists: &Lists) -> bool {
                match self {
                    $(
                        Self::$request(request) => request.holds_records(lists),
                        Self::$response(response) => response.holds_records(lists),
                    )*
                }
            }

            /// Gives its lists back, which must not be used afterwards.
            pub fn give_back(&self, lists: &mut Lists) {
                match self {
                    $(
                        Self::$request(request) => request.give_back(lists),
                        Self::$response(response) => response.give_back(lists),
                    )*
                }
            }

            /// Of every message, pairs that differ in one word, and which.
            #[cfg(test)]
            pub(crate) fn differences(lists: &mut Lists) -> Vec<(String, Self, Self)> {
                use $crate::model::message::examples::Example as _;
                let mut found = Vec::new();
                $(
                    for (field, one, other) in $request::pairs(lists) {
                        found.push((field, one.into(), other.into()));
                    }
                    for (field, one, other) in $response::pairs(lists) {
                        found.push((field, one.into(), other.into()));
                    }
                )*
                found
            }

            /// One message of every kind.
            #[cfg(test)]
            pub(crate) fn examples(lists: &mut Lists) -> Vec<Self> {
                use $crate::model::message::examples::Example as _;
                vec![$($request::example(lists).into(), $response::example(lists).into(),)*]
            }
        }

        /// A pattern: any response. So a dispatcher of requests names all messages without a `_`.
        macro_rules! response {
            () => { $(Content::$response(_))|* };
        }
        pub(crate) use response;
    };
    (@patterns $pattern:ident $(
        $name:literal in $file:ident:
            $request:ident($lane:ident, $cost:ident, $appends:ident)
                => $response:ident($answer_lane:ident, $answer_appends:ident);
    )*) => {
        /// A pattern: any request that only nodes of this kind serve, for the dispatchers of the
        /// others.
        macro_rules! $pattern {
            () => { $(Content::$request(_))|* };
        }
        pub(crate) use $pattern;
    };
}

/// Makes the struct of a message, and derives from its fields what it says, what it weighs and
/// which lists it gives back.
macro_rules! message {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $name {
            #[inline]
            pub(super) fn word(&self, _lists: &super::Lists) -> u64 {
                $crate::base::words::Words::NONE
                    $(.with($crate::model::message::Field::word(&self.$field, _lists)))*
                    .word()
            }

            #[inline]
            pub(super) fn wire_bytes(&self, _lists: &super::Lists) -> u64 {
                0 $(+ $crate::model::message::Field::wire_bytes(&self.$field, _lists))*
            }

            #[inline]
            pub(super) fn holds_records(&self, _lists: &super::Lists) -> bool {
                false $(|| $crate::model::message::Field::holds_records(&self.$field, _lists))*
            }

            #[inline]
            pub(super) fn give_back(&self, _lists: &mut super::Lists) {
                $($crate::model::message::Field::give_back(&self.$field, _lists);)*
            }
        }

        example! { [] super::Lists, $name { $($field: $type,)* } }
    };
}

/// Makes the struct of what a list holds, and derives from its fields what it says.
macro_rules! entry {
    (
        $(#[$doc:meta])*
        pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::base::words::Word for $name {
            #[inline]
            fn word(&self) -> u64 {
                $crate::base::words::words![$(self.$field),*]
            }
        }

        example! { [L] L, $name { $($field: $type,)* } }
    };
}

/// Makes examples of a struct for tests: all fields as in their own examples, and pairs of values
/// that differ in one word of one field.
macro_rules! example {
    (
        [$($generic:ident)?] $lists:ty,
        $name:ident { $($field:ident: $type:ty,)* }
    ) => {
        #[cfg(test)]
        impl<$($generic)?> $crate::model::message::examples::Example<$lists> for $name {
            fn example(_lists: &mut $lists) -> Self {
                Self {
                    $($field: $crate::model::message::examples::Example::example(_lists),)*
                }
            }

            fn pairs(lists: &mut $lists) -> Vec<(String, Self, Self)> {
                use $crate::model::message::examples::Example;
                let _same = <Self as Example<$lists>>::example(lists);
                let mut _found = Vec::new();
                $(
                    for (word, one, other) in <$type as Example<$lists>>::pairs(lists) {
                        let word = format!("{}.{}{word}", stringify!($name), stringify!($field));
                        let (mut with_one, mut with_other) = (_same, _same);
                        with_one.$field = one;
                        with_other.$field = other;
                        _found.push((word, with_one, with_other));
                    }
                )*
                _found
            }
        }
    };
}
