mod journal;
mod notify;
mod standby;
mod store;
