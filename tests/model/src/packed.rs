//! A state as one number, so that millions of them fit.

use super::state::{Load, Node, State, TagKey, Writer};

/// Appends fields of a few bits each.
#[derive(Default)]
struct Packer {
    bits: u128,
    used: u32,
}

impl Packer {
    fn put(&mut self, field: u8, width: u32) {
        debug_assert!(u32::from(field) < 1 << width, "a field of {width} bits cannot hold {field}");
        self.bits |= u128::from(field) << self.used;
        self.used += width;
        debug_assert!(self.used <= u128::BITS, "a state is wider than 128 bits");
    }
}

impl State {
    /// Different states have different numbers.
    pub(super) fn packed(&self) -> u128 {
        let mut out = Packer::default();
        let (kind, number) = match self.tag {
            TagKey::Absent => (0, 0),
            TagKey::Version(version) => (1, version),
            TagKey::Pending(writer) => (2, writer),
            TagKey::Contested => (3, 0),
        };
        let fields = [(self.row, 2), (self.due, 2), (kind, 2), (number, 4), (self.intents, 2)];
        let rest = [(self.entry.value, 2), (self.entry.version, 4), (self.faults, 2), (self.wipes, 1)];
        for (field, width) in fields.into_iter().chain(rest) {
            out.put(field, width);
        }
        self.nodes.iter().for_each(|node| pack_node(&mut out, node));
        self.writers.iter().for_each(|writer| pack_writer(&mut out, writer));
        self.loads.iter().for_each(|load| pack_load(&mut out, load));
        out.bits
    }
}

fn pack_node(out: &mut Packer, node: &Node) {
    let fields = [(node.local.value, 2), (node.local.version, 4), (node.cell, 4), (node.link as u8, 2)];
    for (field, width) in fields.into_iter().chain([(node.messages, 3), (node.own, 2)]) {
        out.put(field, width);
    }
}

fn pack_writer(out: &mut Packer, writer: &Writer) {
    let flags = [writer.reached, writer.sure, writer.through].map(|flag| (u8::from(flag), 1));
    for (field, width) in [(writer.phase as u8, 3), (writer.value, 2)].into_iter().chain(flags) {
        out.put(field, width);
    }
}

fn pack_load(out: &mut Packer, load: &Load) {
    let value = load.value.map_or(0, |value| value + 1);
    for (field, width) in
        [(load.stage as u8, 2), (load.node, 1), (value, 2), (load.version, 4), (u8::from(load.touched), 1)]
    {
        out.put(field, width);
    }
}
